package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/workload"
)

// The stacks that faults are done to.
var (
	pgRabbit    = workload.Stack{Database: "postgres", Broker: "rabbitmq"}
	pgKafka     = workload.Stack{Database: "postgres", Broker: "kafka"}
	mysqlRabbit = workload.Stack{Database: "mysql", Broker: "rabbitmq"}
)

// Table lists the faults in the order they are run: those that share servers and builds stand together.
func Table() []Fault {
	var all []Fault
	for _, part := range [][]Fault{databaseFaults("postgres", pgRabbit), databaseFaults("mysql", mysqlRabbit), rabbitFaults(), kafkaFaults(), processFaults()} {
		all = append(all, part...)
	}
	return all
}

// Find returns the fault of that name.
func Find(name string) (Fault, error) {
	for _, f := range Table() {
		if f.Name == name {
			return f, nil
		}
	}
	return Fault{}, fmt.Errorf("no fault %q", name)
}

// gate is what every run must have shown, beside what its fault must.
func gate(bites ...string) history.Expect {
	return history.Expect{Before: before, During: 50, Bites: bites, Recover: 30}
}

// unnoticed is a gate for a fault that callers must not notice: no call fails, the service stays ready.
func unnoticed(bites ...string) history.Expect {
	e := gate(bites...)
	e.Answers, e.Ready = true, "stays"
	return e
}

// dropsOut is a gate for one after which no calls are welcome until it is over.
func dropsOut(bites ...string) history.Expect {
	e := gate(bites...)
	e.Ready = "drops"
	return e
}

// lasting is what is done for some time: begin does it, end undoes it and returns when what it hit answers again.
func lasting(d time.Duration, begin, end func(ctx context.Context, s *Scene) error) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		s.Begin()
		if err := begin(ctx, s); err != nil {
			return err
		}
		if err := s.For(ctx, d); err != nil {
			return err
		}
		if err := end(ctx, s); err != nil {
			return err
		}
		s.Heal()
		return nil
	}
}

func databaseFaults(name string, stack workload.Stack) []Fault {
	return []Fault{
		{Name: name + "-kill", Stack: stack, Expect: dropsOut(history.BiteFailed), Inflict: func(ctx context.Context, s *Scene) error {
			s.Begin()
			if err := s.DB.server.Kill(); err != nil {
				return err
			}
			p := s.Processes()[0]
			err := s.Until(ctx, time.Minute, "the service is not ready", func(ctx context.Context) error {
				return p.Probe(ctx, "/readyz", http.StatusServiceUnavailable)
			})
			if err != nil {
				return err
			}
			// Once more: whoever watches must have seen it too.
			if err := s.For(ctx, time.Second); err != nil {
				return err
			}
			if err := s.DB.server.Start(ctx); err != nil {
				return err
			}
			s.Heal()
			return nil
		}},
		// Answers are swallowed for moments: a COMMIT that was under way is done, and nobody is told.
		{Name: name + "-commit-lost", Stack: stack, Expect: gate(history.BiteUnknown), Inflict: func(ctx context.Context, s *Scene) error {
			wire := s.DB.server.Proxy()
			before := s.Load.Unknown()
			s.Begin()
			for n := 0; n < 5 || s.Load.Unknown() < before+5 && n < 50; n++ {
				wire.DropReplies()
				err := s.For(ctx, 100*time.Millisecond)
				wire.Heal()
				if err = errors.Join(err, s.Succeed(ctx, 20)); err != nil {
					return err
				}
			}
			s.Heal()
			return nil
		}},
	}
}

func rabbitFaults() []Fault {
	return []Fault{
		{Name: "rabbitmq-kill", Stack: pgRabbit, Expect: unnoticed(history.BiteBacklog), Inflict: lasting(3*time.Second, killServer, startServer)},
		{Name: "rabbitmq-ack-lost", Stack: pgRabbit, Expect: unnoticed(history.BiteDuplicate), Inflict: lasting(2*time.Second, dropReplies, healWire)},
	}
}

func kafkaFaults() []Fault {
	return []Fault{
		{Name: "kafka-kill", Stack: pgKafka, Expect: unnoticed(history.BiteBacklog), Inflict: lasting(3*time.Second, killServer, startServer)},
	}
}

func processFaults() []Fault {
	return []Fault{
		{Name: "service-kill", Stack: pgRabbit, Replicas: 2, Expect: gate(history.BiteDeath), Inflict: func(ctx context.Context, s *Scene) error {
			s.Begin()
			for range 3 {
				s.Kill(s.Processes()[0])
				if _, err := s.Start(ctx); err != nil {
					return err
				}
				if err := s.Succeed(ctx, 100); err != nil {
					return err
				}
			}
			s.Heal()
			return nil
		}},
	}
}

func killServer(_ context.Context, s *Scene) error    { return s.Server.Kill() }
func startServer(ctx context.Context, s *Scene) error { return s.Server.Start(ctx) }
func dropReplies(_ context.Context, s *Scene) error   { s.Server.Proxy().DropReplies(); return nil }
func healWire(_ context.Context, s *Scene) error      { s.Server.Proxy().Heal(); return nil }
