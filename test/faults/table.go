package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/workload"
)

// The stacks that faults are done to.
var (
	pgRabbit     = workload.Stack{Database: "postgres", Broker: "rabbitmq"}
	pgKafka      = workload.Stack{Database: "postgres", Broker: "kafka"}
	sqliteRabbit = workload.Stack{Database: "sqlite", Broker: "rabbitmq"}
	mysqlRabbit  = workload.Stack{Database: "mysql", Broker: "rabbitmq"}
)

// Table lists the faults in the order they are run: those that share servers and builds stand together.
func Table() []Fault {
	return slices.Concat(
		databaseFaults("postgres", pgRabbit), postgresFaults(), databaseFaults("mysql", mysqlRabbit),
		rabbitFaults(), kafkaFaults(), processFaults(),
	)
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
	return history.Expect{Before: before, During: 50, Bites: bites, Recover: 30, Settle: true}
}

// unnoticed is a gate for a fault that callers must not notice: no call fails, the service stays ready.
func unnoticed(bites ...string) history.Expect {
	e := gate(bites...)
	e.Answers, e.Ready = true, "stays"
	return e
}

// inflict is one step of a fault.
type inflict = func(ctx context.Context, s *Scene) error

// lasting is what is done for some time: begin does it, end undoes it and returns when what it hit answers again.
func lasting(d time.Duration, begin, end inflict) inflict {
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

func theDatabase(s *Scene) server { return s.DB.server }

func theBroker(s *Scene) server { return s.Server }

// kill is kill -9 of a server, which comes back after d.
func kill(d time.Duration, victim func(*Scene) server) inflict {
	return lasting(d, func(_ context.Context, s *Scene) error { return victim(s).Kill() },
		func(ctx context.Context, s *Scene) error { return victim(s).Start(ctx) })
}

// serverFaults are those that any server can suffer; victim is the one.
func serverFaults(name string, stack workload.Stack, expect history.Expect, victim func(*Scene) server) []Fault {
	do := func(f func(server) error) inflict {
		return func(_ context.Context, s *Scene) error { return f(victim(s)) }
	}
	wire := func(f func(proxy)) inflict {
		return func(_ context.Context, s *Scene) error { f(victim(s).Proxy()); return nil }
	}
	heal := wire(proxy.Heal)
	return []Fault{
		{Name: name + "-pause", Stack: stack, Expect: expect, Inflict: lasting(pause, do(server.Pause), do(server.Resume))},
		{Name: name + "-cut", Stack: stack, Expect: expect, Inflict: lasting(3*time.Second, wire(proxy.Cut), heal)},
		{Name: name + "-half-open", Stack: stack, Expect: expect, Inflict: lasting(5*time.Second, wire(proxy.HalfOpen), heal)},
	}
}
