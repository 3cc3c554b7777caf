package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/test/rig"
)

// shards is how many parts the outbox has for replicas to share.
const shards = 64

// TestReplicas proves that replicas share the outbox fairly, hand it over at once when one of them is stopped and
// after the lease when one dies, and that nothing of this costs an event or the order of a key.
func TestReplicas(t *testing.T) {
	e := built(t, "orders")
	brokers, database := rig.Kafka(t), rig.Postgres(t)
	tap := tapKafka(t, e, brokers, e.topic("orders"))
	const lease = 15 * time.Second
	env := e.Env("DATABASE_URL="+database, "KAFKA_BROKERS="+brokers, quickToRead, "RELAY_LEASE_TTL="+lease.String())
	e.command(t, env, "migrate")
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) }) // read only

	a, b := e.start(t, env).ready(t), e.start(t, env).ready(t)
	t.Logf("two replicas share after %v", shared(t, conn, 2))
	l := startLoad(t, placeOrder, a, b)
	l.grows(t, 200)
	c, d := e.start(t, env).ready(t), e.start(t, env).ready(t)
	t.Logf("four replicas share after %v", shared(t, conn, 4))
	l.use(a, b, c, d)
	l.grows(t, 200)

	// Calls go elsewhere first, as a load balancer makes them: what is measured is the hand-over of the outbox.
	l.use(b, c, d)
	a.terminate(t)
	took := owned(t, conn, 3)
	t.Logf("handed over %v after SIGTERM", took)
	// Renewed every third of their life, leases that are not given up last two thirds of it at least.
	if most := lease / 2; took > most {
		t.Errorf("the hand-over took %v after SIGTERM, want less than %v", took, most)
	}
	a.exits(t)
	l.grows(t, 200)

	b.Kill() // in the middle of calls: callers do not know, and call again
	took = owned(t, conn, 2)
	t.Logf("taken over %v after kill -9, with a lease of %v", took, lease)
	l.use(c, d)
	l.grows(t, 200)

	l.stop()
	c.drained(t)
	l.verify(t, tap)
	c.stop(t)
	d.stop(t)
}

// shared waits until so many replicas own an equal part each.
func shared(t *testing.T, conn *pgx.Conn, replicas int) time.Duration {
	t.Helper()
	return eventually(t, patience, fmt.Sprintf("%d replicas share", replicas), func(ctx context.Context) error {
		counts, err := owners(ctx, conn)
		if err != nil {
			return err
		}
		for _, n := range counts {
			if len(counts) != replicas || n != shards/replicas {
				return fmt.Errorf("they own %v", counts)
			}
		}
		if len(counts) == 0 {
			return fmt.Errorf("nobody owns any")
		}
		return nil
	})
}

// owned waits until all shards are with so many replicas.
func owned(t *testing.T, conn *pgx.Conn, replicas int) time.Duration {
	t.Helper()
	return eventually(t, patience, fmt.Sprintf("%d replicas own all", replicas), func(ctx context.Context) error {
		counts, err := owners(ctx, conn)
		if err != nil {
			return err
		}
		all := 0
		for _, n := range counts {
			all += n
		}
		if len(counts) != replicas || all != shards {
			return fmt.Errorf("they own %v", counts)
		}
		return nil
	})
}

// owners counts the shards of each replica.
func owners(ctx context.Context, conn *pgx.Conn) ([]int, error) {
	rows, err := conn.Query(ctx, "SELECT count(*) FROM outbox_lease WHERE owner IS NOT NULL AND expires_at > now() GROUP BY owner")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}
