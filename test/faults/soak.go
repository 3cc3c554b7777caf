package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/workload"
)

// Soak is what many rounds came to.
type Soak struct {
	Seed               uint64
	Took               time.Duration
	Calls, OK          int
	Faults             int
	Events, Duplicates int
	Violations         int
	Recovery           []time.Duration // of each fault
	Failed             []string        // histories with something wrong, kept
	Void               int             // rounds that the lab could not play to their end: nothing is said of them

	rounds int
}

const (
	// round is how long one service is under load before its history is judged.
	round = 4 * time.Minute
	// calm is how many calls must succeed between two faults.
	calm = 3000
	// soakRate is calls a second: what two cores sustain beside the servers, so that there is load and not a queue.
	soakRate = 1500
	// maxVoid is how many rounds in a row may be void before the soak gives up.
	maxVoid = 3
)

// Run does random faults in random order for at least d, and adds up what the histories say. Histories of rounds that
// went well are removed. The other histories are kept.
func (k *Soak) Run(ctx context.Context, lab *Lab, dir string, d time.Duration, out io.Writer) error {
	began := time.Now()
	rng := rand.New(rand.NewPCG(k.Seed, 0))
	stacks := []workload.Stack{pgRabbit, pgKafka, mysqlRabbit}
	void := 0 // in a row
	for time.Since(began) < d && ctx.Err() == nil {
		left := d - time.Since(began)
		f := Fault{Name: fmt.Sprintf("soak-%d", k.rounds+1), Stack: stacks[k.rounds%len(stacks)], Replicas: 2, Expect: gate()}
		f.Expect.Settle = false // processes come and go
		f.Expect.Recover = 60   // under much more load than a single fault has
		if f.Stack.Database == "postgres" {
			f.Patches = failpoints
		}
		k.rounds++
		path := filepath.Join(dir, f.Name+".jsonl")
		v, err := k.round(ctx, lab, f, rng.Uint64(), min(left, round), path)
		if err != nil {
			err = fmt.Errorf("%s on %v: %w; history: %s", f.Name, f.Stack, err, path)
			if void++; void == maxVoid || ctx.Err() != nil {
				return err
			}
			k.Void++
			_, _ = fmt.Fprintf(out, "void: %v\n", err)
			continue
		}
		void = 0
		_, _ = fmt.Fprintf(out, "%v on %v\n", v, f.Stack)
		k.Calls, k.OK, k.Faults = k.Calls+v.Calls, k.OK+v.OK, k.Faults+v.Faults
		k.Events, k.Duplicates = k.Events+v.Events, k.Duplicates+v.Duplicates
		k.Recovery = append(k.Recovery, v.Recovery...)
		k.Violations += len(v.Violations)
		k.Took = time.Since(began)
		if err := v.Err(); err != nil {
			k.Failed = append(k.Failed, path)
			_, _ = fmt.Fprintf(out, "%v\n", err)
		} else if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// round keeps one service under load and does faults to it until d is over.
func (k *Soak) round(ctx context.Context, lab *Lab, f Fault, seed uint64, d time.Duration, path string) (*history.Verdict, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Minute)
	defer cancel()
	choices := soakFaults(f.Stack)
	err = lab.play(ctx, f, seed, soakRate, file, func(ctx context.Context, s *Scene) error {
		began := time.Now()
		for err := s.Succeed(ctx, before); ; err = s.Succeed(ctx, calm) {
			if err != nil || time.Since(began) >= d {
				return err
			}
			next := choices[s.Rand.IntN(len(choices))]
			s.name = next.Name
			if err := next.Inflict(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", next.Name, err)
			}
		}
	})
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return check(path)
}

func check(path string) (*history.Verdict, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only
	return history.Check(file)
}

// soakFaults are those that may happen to any service on the stack, at any time.
func soakFaults(stack workload.Stack) []Fault {
	database := databaseFaults(stack.Database, stack)
	if stack.Database == "postgres" {
		database = append(database, Fault{Name: "postgres-snapshot", Inflict: holdSnapshot}, Fault{Name: "postgres-connections", Inflict: exhaustServer})
	}
	broker := rabbitFaults()
	if stack.Broker == "kafka" {
		broker = slices.DeleteFunc(kafkaFaults(), func(f Fault) bool { return f.Nodes > 1 })
	}
	process := []Fault{
		{Name: "service-kill", Inflict: killService},
		{Name: "service-pause", Inflict: pauseService},
		{Name: "service-rolling-restart", Inflict: restartAll},
	}
	if stack.Database == "postgres" {
		for _, step := range steps {
			process = append(process, Fault{Name: "service-kill-" + step.name, Inflict: killAt(step.name)})
		}
	}
	all := slices.Concat(database, broker, process)
	for i, f := range all {
		if f.Name == stack.Database+"-kill" {
			// Not until the service is unready, as the suite does: here its time counts.
			all[i].Inflict = kill(time.Second, theDatabase)
		}
	}
	return all
}

// Percentile is a recovery time that so many of a hundred were no longer than.
func (k *Soak) Percentile(p int) time.Duration {
	if len(k.Recovery) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(k.Recovery))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
