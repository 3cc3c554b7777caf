package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/subject"
	"github.com/svcgen/svcgen/test/tap"
)

// Exhibit is a mistake that others have made, as a patch to what is emitted, and the fault under which it must be
// caught: the history must break the promise that names it. A suite that lets a broken service pass proves nothing
// about a good one. The same fault does nothing wrong to the service as it is emitted, or the fault would be what is
// caught.
type Exhibit struct {
	Name   string
	Fault  Fault
	Bug    []subject.Patch
	Breaks string // the promise; none: it is no mistake, and must pass
	Bites  string // where it breaks none: what shows that the patch does something
}

// Control is the exhibit's fault, done to the service as it is emitted: it has the time it takes.
func (e Exhibit) Control() Fault {
	f := e.Fault
	f.Patience = 0
	return f
}

// Broken is the exhibit's fault, done to the service with the bug.
func (e Exhibit) Broken() Fault {
	f := e.Fault
	f.Patches = e.Bug
	if e.Breaks == "" {
		f.Patience = 0
	}
	if e.Bites != "" {
		f.Expect.Bites = append([]string{e.Bites}, f.Expect.Bites...)
	}
	return f
}

// Museum lists the exhibits; those with the same fault stand together.
func Museum() []Exhibit {
	return []Exhibit{
		// Nothing is wrong with the servers: calls that fail after they have emitted are enough.
		{"publish-before-commit", inPeace, publishEarly, history.NoGhost, ""},
		{"shared-commit-keeps-undone", inPeaceSQLite, keepUndone, history.NoGhost, ""},

		// The broker is gone for a moment.
		{"delete-before-ack", away, deleteBeforeAck, history.NoLoss, ""},
		{"outage-is-attempt", away, countOutages, history.Accounting, ""},
		{"broker-in-readiness", away, askBroker, history.Health, ""},

		// It takes messages and no queue wants them.
		{"no-mandatory", unwanted, notMandatory, history.NoLoss, ""},
		{"return-after-settle", unwanted, settleFirst, history.NoLoss, ""},
		{"overtake-failed", unwanted, overtake, history.Order, ""},
		{"requeue-behind", dead, requeueBehind, history.Order, ""},

		// Its queue is full, and it says so.
		{"nack-is-ack", full, ignoreNacks, history.NoLoss, ""},

		// Transactions take their time before they lock a key and before they are committed.
		{"id-cursor", slow, rememberID, history.NoLoss, ""},
		{"xmin-cursor", slow, xminCursor, history.Order, ""},
		{"id-before-lock", slow, drawFirst, history.Order, ""},
		{"floor-without-proof", slow, believe, history.Order, ""},
		{"xmin-cursor-held", held, xminCursor, history.Live, ""},

		// Two relays share a slow broker, and one is told to go.
		{"skip-locked", crowd, skipLocked, history.Order, ""},
		{"delete-on-shutdown", crowd, deleteAtEnd, history.NoLoss, ""},
		// Leases bound duplicates. Order and safety do not rest on them.
		{"no-lease", crowd, noLease, "", history.BiteDuplicate},

		// The server refuses commits, does not answer them, or forgets them.
		{"buffer-kept-on-retry", conflicts, keepBuffer, history.OneEvent, ""},
		{"unknown-is-failure", unanswered, unknownFails, history.Truth, ""},
		{"publish-before-disk", forgetful, trustMemory, history.NoGhost, ""},
	}
}

const (
	// patience is enough for what comes at all, of a service with a mistake. One without has as long as it takes.
	patience = 5 * time.Second
	// heldSeconds is how long a transaction is held, so long that a slow machine is told from events that wait for it.
	heldSeconds = 12
)

// The faults of the museum. Each makes happen within seconds what in production takes a bad day.
var (
	inPeace = Fault{Name: "in-peace", Stack: pgRabbit, Patience: patience, Expect: unnoticed(), Inflict: letBe}

	inPeaceSQLite = Fault{Name: "in-peace-sqlite", Stack: sqliteRabbit, Patience: patience, Expect: unnoticed(), Inflict: letBe}

	away = Fault{
		Name: "broker-away", Stack: pgRabbit, Patience: patience, Expect: unnoticed(history.BiteBacklog),
		Env: []string{"RELAY_ON_DEAD=skip"}, Inflict: lasting(time.Second, cutBroker, healBroker),
	}

	unwanted = Fault{
		Name: "broker-unbound", Stack: pgRabbit, Keys: 16, Patience: patience, Expect: unnoticed(history.BiteSeen),
		Env: []string{"RELAY_MAX_ATTEMPTS=1000"}, Inflict: unbindFor(400),
	}

	dead = Fault{
		Name: "broker-refused", Stack: pgRabbit, Patience: patience, Expect: unnoticed(history.BiteSeen), Inflict: unbind,
	}

	full = Fault{Name: "queue-full", Stack: pgRabbit, Patience: patience, Expect: unnoticed(history.BiteBacklog), Inflict: fillQueue}

	slow = Fault{Name: "slow-transactions", Stack: pgRabbit, Keys: 16, Patience: patience, Expect: unnoticed(history.BiteSeen), Inflict: slowDown}

	held = Fault{
		Name: "transaction-held", Stack: pgRabbit, Patience: patience, Expect: within(heldSeconds*2/3, unnoticed()), Inflict: holdWriter,
	}

	crowd = Fault{
		Name: "slow-broker", Stack: pgRabbit, Replicas: 2, Keys: 8, Patience: patience, Expect: unnoticed(history.BiteSeen), Inflict: crowded,
	}

	conflicts = Fault{Name: "conflicts", Stack: pgRabbit, Patience: patience, Expect: gate(history.BiteSeen), Inflict: refuseCommits}

	unanswered = Fault{Name: "commit-lost", Stack: pgRabbit, Patience: patience, Expect: gate(history.BiteUnknown), Inflict: loseAnswers}

	forgetful = Fault{Name: "commit-not-on-disk", Stack: pgRabbit, Patience: patience, Expect: gate(history.BiteFailed), Inflict: forgetCommits}
)

// within bounds the time from an event's acknowledgement to its arrival.
func within(seconds float64, e history.Expect) history.Expect {
	e.Lag = seconds
	return e
}

func letBe(ctx context.Context, s *Scene) error {
	s.Begin()
	if err := s.Succeed(ctx, 300); err != nil {
		return err
	}
	s.Heal()
	return nil
}

func cutBroker(_ context.Context, s *Scene) error { s.Server.Proxy().Cut(); return nil }

// healBroker waits for the backlog that the cut is known by. With a mistake there may be none.
func healBroker(ctx context.Context, s *Scene) error {
	_ = s.Until(ctx, 10*time.Second, "events wait", func(ctx context.Context) error {
		n, err := s.Depth(ctx)
		if err == nil && n < history.Backlog {
			err = fmt.Errorf("%d do", n)
		}
		if err == nil {
			s.rec.Add(history.Record{Kind: history.Depth, Pending: n})
		}
		return err
	})
	s.Server.Proxy().Heal()
	return ctx.Err()
}

// unbindFor takes the way to the queue away for so many calls, fewer than it takes for an event to be given up.
func unbindFor(calls int) inflict {
	return func(ctx context.Context, s *Scene) error {
		s.Begin()
		err := s.onChannel(func(ch *amqp.Channel) error { return ch.QueueUnbind(tap.Queue(topic), "#", topic, nil) })
		if err == nil {
			err = s.Succeed(ctx, calls)
		}
		var refused int
		if err == nil {
			err = s.DB.QueryRowContext(ctx, "SELECT count(*) FROM outbox WHERE attempts > 0").Scan(&refused)
		}
		if err = errors.Join(err, s.bind()); err != nil {
			return err
		}
		if refused > 0 {
			s.Seen("%d events had been refused", refused)
		}
		s.Heal()
		return nil
	}
}

// fillQueue lets the queue take a hundred messages and no more, and nobody empties it. What is beyond is nacked, not
// returned. RabbitMQ takes messages again when the queue has been emptied; to lift the limit before would not be
// noticed by channels that are told to stop.
func fillQueue(ctx context.Context, s *Scene) error {
	s.broker.tap.Close()
	s.Begin()
	_, err := s.Rabbit.Ctl(ctx, "set_policy", "narrow", "^tap", `{"max-length":100,"overflow":"reject-publish"}`, "--apply-to", "queues")
	if err == nil {
		err = s.Succeed(ctx, 600)
	}
	var open error
	if s.broker.tap, open = tap.RabbitMQ(ctx, s.Rabbit.URL(), topic, s.broker.hear); open != nil {
		return errors.Join(err, open)
	}
	if err == nil {
		err = s.Until(ctx, 30*time.Second, "the backlog is gone", func(ctx context.Context) error {
			n, err := s.Depth(ctx)
			if err == nil && n > 50 {
				err = fmt.Errorf("%d events wait", n)
			}
			return err
		})
	}
	_, cleared := s.Rabbit.Ctl(ctx, "clear_policy", "narrow")
	if err = errors.Join(err, cleared); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// Triggers that make a transaction wait before it locks its key, when it has an id, and at its COMMIT.
var (
	waitFirst = []string{
		"CREATE FUNCTION wait_first() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_current_xact_id(), pg_sleep(random() * 0.02); RETURN NEW; END'",
		"CREATE TRIGGER wait_first BEFORE INSERT ON total FOR EACH ROW EXECUTE FUNCTION wait_first()",
	}
	waitLast = []string{
		"CREATE FUNCTION wait_last() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(random() * 0.02); RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER wait_last AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_last()",
	}
)

// slowDown lets every transaction wait before it locks its key, when it has written already, and before it is
// committed, when its outbox row has its id: as a transaction does that does more. So ids, transactions and commits
// each come in an order of their own. When the broker has been away for a moment, a page of rows is in none of them.
func slowDown(ctx context.Context, s *Scene) error {
	s.Begin()
	if err := s.exec(ctx, slices.Concat(waitFirst, waitLast)...); err != nil {
		return err
	}
	var waiting int
	err := s.Until(ctx, 30*time.Second, "transactions wait", func(ctx context.Context) error {
		err := s.DB.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").Scan(&waiting)
		if err == nil && waiting < 2 {
			err = fmt.Errorf("%d do", waiting)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.Seen("%d transactions waited at once", waiting)
	if err := s.Succeed(ctx, 400); err != nil {
		return err
	}
	s.Server.Proxy().Cut()
	err = s.Succeed(ctx, 400)
	s.Server.Proxy().Heal()
	if err = errors.Join(err, s.Succeed(ctx, 400)); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// holdWriter keeps a transaction open that has written.
func holdWriter(ctx context.Context, s *Scene) error {
	writer, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = writer.Rollback() }() // that is what is to become of it
	s.Begin()
	if _, err := writer.ExecContext(ctx, "INSERT INTO total (key, version) VALUES ('held', 1)"); err != nil {
		return err
	}
	if err := s.For(ctx, heldSeconds*time.Second); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// crowded makes the broker's answers slow, so that events of a key gather, and replaces a relay that has some in hand.
func crowded(ctx context.Context, s *Scene) error {
	s.Begin()
	s.Server.Proxy().Latency(20 * time.Millisecond)
	if err := s.Succeed(ctx, 400); err != nil {
		return err
	}
	if err := s.Until(ctx, 30*time.Second, "events wait", func(ctx context.Context) error {
		n, err := s.Depth(ctx)
		switch {
		case err != nil:
			return err
		case n == 0:
			return errors.New("none does")
		}
		s.Seen("%d events waited", n)
		return nil
	}); err != nil {
		return err
	}
	old := s.Processes()[0]
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	if err := s.Stop(ctx, old); err != nil {
		return err
	}
	s.Server.Proxy().Heal()
	s.Heal()
	return nil
}

// refuseCommits lets the server roll back one transaction in five at its COMMIT, as it does for conflicts.
func refuseCommits(ctx context.Context, s *Scene) error {
	s.Begin()
	err := s.exec(ctx,
		"CREATE SEQUENCE refusals",
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
			IF random() < 0.2 THEN PERFORM nextval('refusals'); RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'a conflict'; END IF;
			RETURN NULL;
		END$$`,
		"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
	)
	if err != nil {
		return err
	}
	if err := s.Succeed(ctx, 300); err != nil {
		return err
	}
	var refused int
	if err := s.DB.QueryRowContext(ctx, "SELECT last_value FROM refusals").Scan(&refused); err != nil {
		return err
	}
	if refused > 10 {
		s.Seen("%d commits were refused", refused)
	}
	if err := s.exec(ctx, "DROP TRIGGER refuse ON entry"); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// loseAnswers lets answers be lost while some calls are always at their COMMIT.
func loseAnswers(ctx context.Context, s *Scene) error {
	s.Begin()
	if err := s.exec(ctx, waitLast...); err != nil {
		return err
	}
	for range 5 {
		if err := s.mute(ctx); err != nil {
			return err
		}
	}
	s.Heal()
	return nil
}

// forgetCommits kills a server whose default it is to answer a COMMIT before it is on disk.
func forgetCommits(ctx context.Context, s *Scene) error {
	var name string
	if err := s.DB.QueryRowContext(ctx, "SELECT current_database()").Scan(&name); err != nil {
		return err
	}
	if _, err := s.DB.ExecContext(ctx, "ALTER DATABASE "+name+" SET synchronous_commit = off"); err != nil {
		return err
	}
	if _, err := s.DB.disconnect(ctx); err != nil { // it holds for new connections
		return err
	}
	if err := s.Succeed(ctx, 200); err != nil {
		return err
	}
	return kill(500*time.Millisecond, theDatabase)(ctx, s) // long enough for callers to notice
}
