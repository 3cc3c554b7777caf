package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/svcgen/svcgen/test/history"
)

func processFaults() []Fault {
	rolling := unnoticed(history.BiteSeen)
	faults := []Fault{
		{Name: "service-kill", Stack: pgRabbit, Replicas: 2, Expect: gate(history.BiteDeath), Inflict: killService},
		{Name: "sqlite-service-kill", Stack: sqliteRabbit, Expect: gate(history.BiteDeath), Inflict: killService},
		{Name: "service-pause", Stack: pgRabbit, Replicas: 2, Expect: gate(history.BiteFailed), Inflict: pauseService},
		{Name: "service-scale", Stack: pgRabbit, Expect: rolling, Inflict: scale},
		{Name: "service-rolling-restart", Stack: pgRabbit, Replicas: 2, Expect: rolling, Inflict: restartAll},
	}
	for _, step := range steps {
		expect := gate(history.BiteDeath)
		if step.twice {
			expect = gate(history.BiteDeath, history.BiteDuplicate)
		}
		faults = append(faults, Fault{
			Name: "service-kill-" + step.name, Stack: pgRabbit, Patches: failpoints, Expect: expect, Inflict: killAt(step.name),
		})
	}
	return faults
}

func killService(ctx context.Context, s *Scene) error {
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
}

// killAt starts one more process, which ends itself at a step of its work.
func killAt(step string) inflict {
	return func(ctx context.Context, s *Scene) error {
		s.Begin()
		p, err := s.Start(ctx, fmt.Sprintf("FAILPOINT=%s:%d", step, 20+s.Rand.IntN(50)))
		if p == nil {
			return err
		}
		if err := s.Died(ctx, p); err != nil { // it may be dead before it is ready
			return err
		}
		s.Heal()
		return nil
	}
}

// pauseService stops a process for longer than its leases last. When it goes on, what it had in hand is another's.
func pauseService(ctx context.Context, s *Scene) error {
	p := s.Processes()[0]
	s.Begin()
	if err := s.Pause(p); err != nil {
		return err
	}
	if err := s.For(ctx, pause); err != nil {
		return err
	}
	if err := s.Resume(p); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// scale goes from one process to four and down to two.
func scale(ctx context.Context, s *Scene) error {
	s.Begin()
	for range 3 {
		if _, err := s.Start(ctx); err != nil {
			return err
		}
	}
	if err := s.share(ctx, 4); err != nil {
		return err
	}
	if err := s.Succeed(ctx, 200); err != nil {
		return err
	}
	for _, p := range s.Processes()[:2] {
		if err := s.Stop(ctx, p); err != nil {
			return err
		}
	}
	if err := s.share(ctx, 2); err != nil {
		return err
	}
	s.Seen("four processes shared the outbox, then two")
	s.Heal()
	return nil
}

// restartAll replaces every process by a new one, one after the other.
func restartAll(ctx context.Context, s *Scene) error {
	s.Begin()
	for _, old := range s.Processes() {
		if _, err := s.Start(ctx); err != nil {
			return err
		}
		if err := s.Stop(ctx, old); err != nil {
			return err
		}
		if err := s.Succeed(ctx, 100); err != nil {
			return err
		}
	}
	s.Seen("all were replaced")
	s.Heal()
	return nil
}

// share waits until so many relays have leases.
func (s *Scene) share(ctx context.Context, relays int) error {
	return s.Until(ctx, time.Minute, fmt.Sprintf("%d relays share the outbox", relays), func(ctx context.Context) error {
		var n int
		err := s.DB.QueryRowContext(ctx, "SELECT count(DISTINCT owner) FROM outbox_lease WHERE owner IS NOT NULL AND expires_at > now()").Scan(&n)
		if err == nil && n != relays {
			err = fmt.Errorf("%d do", n)
		}
		return err
	})
}
