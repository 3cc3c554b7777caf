package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/rig/tcpproxy"
	"github.com/svcgen/svcgen/test/workload"
)

type (
	server = *rig.Server
	proxy  = *tcpproxy.Proxy
)

// databaseFaults are those of any database server.
func databaseFaults(name string, stack workload.Stack) []Fault {
	drops := gate(history.BiteFailed)
	drops.Ready = "drops"
	faults := []Fault{
		{Name: name + "-kill", Stack: stack, Expect: drops, Inflict: killDatabase},
		{Name: name + "-commit-lost", Stack: stack, Expect: gate(history.BiteUnknown), Inflict: loseCommits},
		{Name: name + "-terminate", Stack: stack, Expect: gate(history.BiteFailed, history.BiteSeen), Inflict: terminate},
	}
	return append(faults, serverFaults(name, stack, gate(history.BiteFailed), theDatabase)...)
}

// killDatabase leaves it dead until the service says that it is not ready.
func killDatabase(ctx context.Context, s *Scene) error {
	s.Begin()
	before := s.unready.Load()
	if err := s.DB.server.Kill(); err != nil {
		return err
	}
	p := s.Processes()[0]
	err := s.Until(ctx, time.Minute, "the service is not ready", func(ctx context.Context) error {
		return p.Probe(ctx, "/readyz", http.StatusServiceUnavailable)
	})
	// Whoever watches must have seen it too.
	if err = errors.Join(err, s.Until(ctx, time.Minute, "it is seen not to be ready", func(context.Context) error {
		if s.unready.Load() == before {
			return errors.New("it was not yet")
		}
		return nil
	})); err != nil {
		return err
	}
	if err := s.DB.server.Start(ctx); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// loseCommits lets answers be lost until calls have no known outcome: a COMMIT that was under way is done, and nobody is
// told.
func loseCommits(ctx context.Context, s *Scene) error {
	before := s.Load.Unknown()
	s.Begin()
	for n := 0; n < 5 || s.Load.Unknown() < before+5 && n < 50; n++ {
		if err := s.mute(ctx); err != nil {
			return err
		}
	}
	s.Heal()
	return nil
}

// mute swallows the database's answers for a moment.
func (s *Scene) mute(ctx context.Context) error {
	wire := s.DB.server.Proxy()
	wire.DropReplies()
	err := s.For(ctx, 100*time.Millisecond)
	wire.Heal()
	return errors.Join(err, s.Succeed(ctx, 20))
}

// terminate ends the service's connections at the server, again and again.
func terminate(ctx context.Context, s *Scene) error {
	s.Begin()
	ended := 0
	for range 10 {
		n, err := s.DB.disconnect(ctx)
		if err = errors.Join(err, s.For(ctx, 200*time.Millisecond)); err != nil {
			return err
		}
		ended += n
	}
	if ended > 0 {
		s.Seen("%d connections were ended", ended)
	}
	s.Heal()
	return nil
}

// disconnect ends all connections to the database but the lab's own, of which there may be several, and says how many those were.
func (d *database) disconnect(ctx context.Context) (n int, err error) {
	if d.kind == "postgres" {
		const q = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> '" + labName + "'"
		err = d.QueryRowContext(ctx, q).Scan(&n)
		return n, err
	}
	ids, err := column[int64](ctx, d, "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if _, err := d.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", id)); err == nil { // it may be gone already
			n++
		}
	}
	return n, nil
}

func postgresFaults() []Fault {
	held := unnoticed(history.BiteSeen)
	held.Lag = 5
	pool := gate(history.BiteFailed, history.BiteSeen)
	pool.Ready = "stays"
	return []Fault{
		{Name: "postgres-snapshot", Stack: pgRabbit, Expect: held, Inflict: holdSnapshot},
		{Name: "postgres-pool", Stack: pgRabbit, Expect: pool, Inflict: exhaustPool, Env: []string{"DATABASE_MAX_CONNS=4", "DATABASE_ACQUIRE_TIMEOUT=500ms"}},
		{Name: "postgres-connections", Stack: pgRabbit, Expect: gate(history.BiteFailed, history.BiteSeen), Inflict: exhaustServer},
		{Name: "postgres-disk-full", Stack: pgRabbit, Expect: gate(history.BiteFailed, history.BiteSeen), Inflict: fillDisk, SmallDisk: true},
		{Name: "postgres-clock", Stack: pgRabbit, Expect: gate(history.BiteSeen), Inflict: skewClock, Replicas: 2},
	}
}

// holdSnapshot keeps a transaction open that has written, and one whose snapshot is as old: what is deleted meanwhile
// cannot be cleaned up, and no relay may think that ids below are settled.
func holdSnapshot(ctx context.Context, s *Scene) error {
	s.Begin()
	writer, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = writer.Rollback() }() // that is what is to become of it
	if _, err := writer.ExecContext(ctx, "INSERT INTO total (key, version) VALUES ('held', 1)"); err != nil {
		return err
	}
	reader, err := s.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer func() { _ = reader.Rollback() }() // it has only read
	var pid, age int
	if err := reader.QueryRowContext(ctx, "SELECT pg_backend_pid() FROM outbox_lease LIMIT 1").Scan(&pid); err != nil {
		return err
	}
	err = s.Until(ctx, 30*time.Second, "the snapshot gets old", func(ctx context.Context) error {
		err := s.DB.QueryRowContext(ctx, "SELECT age(backend_xmin) FROM pg_stat_activity WHERE pid = $1", pid).Scan(&age)
		if err == nil && age < 2000 {
			err = fmt.Errorf("%d transactions", age)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.Seen("a snapshot %d transactions old", age)
	s.Heal()
	return nil
}

// exhaustPool makes every request wait for a lock, until no connection is left for others. The relay has its own.
func exhaustPool(ctx context.Context, s *Scene) error {
	s.Begin()
	lock, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Rollback() }() // it has only locked
	if _, err := lock.ExecContext(ctx, "LOCK TABLE total IN ACCESS EXCLUSIVE MODE"); err != nil {
		return err
	}
	waiting := 0
	err = s.Until(ctx, 30*time.Second, "all connections wait", func(ctx context.Context) error {
		err := s.DB.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
		if err == nil && waiting < 4 {
			err = fmt.Errorf("%d do", waiting)
		}
		return err
	})
	if err = errors.Join(err, s.For(ctx, 2*time.Second)); err != nil {
		return err
	}
	s.Seen("%d connections waited", waiting)
	if err := lock.Rollback(); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// exhaustServer takes every connection that the server has, those of the service too, and keeps them for a while.
func exhaustServer(ctx context.Context, s *Scene) error {
	s.Begin()
	hog, err := sql.Open("pgx", s.DB.direct)
	if err != nil {
		return err
	}
	defer func() { _ = hog.Close() }() // closed below
	s.DB.server.Proxy().Cut()
	// What the service lets go of is free a moment later.
	var refused error
	for times := 0; times < 3; {
		if _, refused = hog.Conn(ctx); refused == nil {
			times = 0
			continue
		}
		times++
		if err := s.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	s.DB.server.Proxy().Heal()
	if err := s.For(ctx, 2*time.Second); err != nil {
		return err
	}
	s.Seen("%v", refused)
	if err := hog.Close(); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// fillDisk leaves the server no byte on its disk. It may go down over that; then it is started when there is room.
func fillDisk(ctx context.Context, s *Scene) error {
	s.Begin()
	disk := filepath.Join(s.DB.server.Dir(), "data")
	filler := filepath.Join(disk, "filler")
	full := error(nil)
	f, err := os.Create(filler)
	if err != nil {
		return err
	}
	for block := make([]byte, 1<<20); full == nil; {
		_, full = f.Write(block)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := s.For(ctx, 4*time.Second); err != nil {
		return err
	}
	s.Seen("%v", full)
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := s.DB.server.Start(ctx); err != nil { // unless it is up
		return err
	}
	s.Heal()
	return nil
}

// skewClock makes the database's clock jump, for those who ask for it without saying whose: leases are counted by it.
func skewClock(ctx context.Context, s *Scene) error {
	var name string
	if err := s.DB.QueryRowContext(ctx, "SELECT current_database()").Scan(&name); err != nil {
		return err
	}
	if err := s.exec(ctx,
		"CREATE SCHEMA skew",
		"CREATE TABLE skew.amount (amount interval NOT NULL)",
		"INSERT INTO skew.amount VALUES ('0')",
		"CREATE FUNCTION skew.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT pg_catalog.now() + amount FROM skew.amount'",
		"CREATE FUNCTION skew.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT pg_catalog.clock_timestamp() + amount FROM skew.amount'",
		"ALTER DATABASE "+name+" SET search_path = skew, public, pg_catalog",
	); err != nil {
		return err
	}
	if _, err := s.DB.disconnect(ctx); err != nil { // the path holds for new connections
		return err
	}
	s.Begin()
	for _, amount := range []string{"1 hour", "-1 hour", "1 day", "0"} {
		if _, err := s.DB.ExecContext(ctx, "UPDATE skew.amount SET amount = $1::interval", amount); err != nil {
			return err
		}
		if err := s.For(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
		if amount != "1 day" {
			continue
		}
		if err := s.Until(ctx, 30*time.Second, "leases end in a day", func(ctx context.Context) error {
			var leases int
			q := "SELECT count(*) FROM outbox_lease WHERE abs(extract(epoch FROM expires_at - pg_catalog.now() - $1::interval)) < 60"
			err := s.DB.QueryRowContext(ctx, q, amount).Scan(&leases)
			switch {
			case err != nil:
				return err
			case leases == 0:
				return errors.New("none does")
			}
			s.Seen("%d leases end in a day", leases)
			return nil
		}); err != nil {
			return err
		}
	}
	s.Heal()
	return nil
}
