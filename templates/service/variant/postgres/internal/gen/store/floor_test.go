package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store/storetest"
	"github.com/svcgen/svcgen/test/rig"
)

// slowCommit makes COMMIT take up to 20 ms in a fair share of transactions, after the outbox rows are written:
// ids are then committed far from their order.
const slowCommit = `
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF random() < 0.3 THEN PERFORM pg_sleep(random() * 0.02); END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER UPDATE ON counter DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()`

// TestFloorProof runs the relay's queue, and to show that a run can tell, one whose floor is not proven. Nothing
// crashes, since a crash begins at 0 again, and no page sweeps from 0, so that a row once skipped stays so.
func TestFloorProof(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs")
	}
	for run := range 6 {
		t.Run(strconv.Itoa(run), func(t *testing.T) {
			// A row that is only late, on a loaded machine, is no fault of the proof.
			out, rose := floorRun(t, xminProof, 20*time.Second)
			switch {
			case out.Disorder+out.Undrained+out.Ghosts+out.Duplicates > 0:
				t.Errorf("%+v", out)
			case !rose:
				t.Error("the floor never rose: the run proves nothing")
			}
		})
	}
	t.Run("no proof", func(t *testing.T) {
		unproven := xminProof
		unproven.fresh = `SELECT '1'`
		out, _ := floorRun(t, unproven, time.Second)
		if out.Disorder+out.Undrained == 0 {
			t.Errorf("a floor without a proof was not caught: %+v", out)
		}
	})
}

func floorRun(t *testing.T, p proof, patience time.Duration) (out storetest.Outcome, rose bool) {
	t.Helper()
	cfg := testConfig(rig.Postgres(t))
	cfg.MaxConns = 16
	db := migrated(t, cfg)
	if _, err := db.pool.Exec(t.Context(), slowCommit, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	regime := storetest.Quiet
	regime.Writers, regime.Keys, regime.Relays = 16, 48, 1
	regime.Patience = patience
	var highest int64
	out = regime.Run(t, []storetest.Store{adapter{db}}, func() storetest.Queue {
		q := ownQueue(t, cfg)
		q.proof = p
		q.proof.read = func(ctx context.Context, q *Queue, page outbox.Page, start int64) (uint64, []outbox.Record, bool, error) {
			highest = max(highest, start) // of the one relay there is
			return p.read(ctx, q, page, start)
		}
		began := time.Now()
		q.floor.now = func() time.Time { return began } // the first page is a sweep, no other
		return q
	})
	return out, highest > int64(out.Committed/2)
}

// TestFloorInFlight: a row that is committed just after a page has not seen it is on the next page. With any step of
// the proof broken the floor is above it by then.
func TestFloorInFlight(t *testing.T) {
	const xmax = `SELECT pg_snapshot_xmax(pg_current_snapshot())::text`
	for name, tt := range map[string]struct {
		broken func(*proof)
		late   bool // the oldest transaction is read after the page it is to vouch for
		sound  bool
	}{
		"as it is":                          {broken: func(*proof) {}, sound: true},
		"no proof":                          {broken: func(p *proof) { p.fresh = `SELECT '1'` }},
		"proven after the page":             {broken: func(*proof) {}, late: true},
		"xmax for the fresh transaction id": {broken: func(p *proof) { p.fresh = xmax }},
		"xmax for the oldest running":       {broken: func(p *proof) { p.oldest = xmax }},
	} {
		t.Run(name, func(t *testing.T) {
			db := migrated(t, testConfig(rig.Postgres(t)))
			q := db.Queue()
			tt.broken(&q.proof)
			began := time.Now()
			q.floor.now = func() time.Time { return began } // the first page is a sweep, no other
			p := leaseAll(t, q, "r")
			drain(t, q, p)

			if tt.sound {
				if !inFlight(t, db, q, p, tt.late) {
					t.Error("the row is skipped")
				}
				return
			}
			// What else runs on the server is in its snapshots too, so that a broken proof may hold by luck.
			const tries = 1000
			for range tries {
				if !inFlight(t, db, q, p, tt.late) {
					return
				}
			}
			t.Errorf("a broken proof was not caught in %d tries", tries)
		})
	}
}

// inFlight reports whether q finds the row of a transaction that was running while a candidate was proposed and a
// page was read, and is committed right after the page.
func inFlight(t *testing.T, db *DB, q *Queue, p outbox.Page, late bool) bool {
	t.Helper()
	q.floor.reset()
	tx, err := db.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := &pgx.Batch{}
	if err := queueRows(b, []outbox.Message{{Topic: "t", Key: "k", Type: "T"}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	if err := q.Delete(t.Context(), []int64{1 << 40}); err != nil { // proposes
		t.Fatal(err)
	}
	read := q.proof.read
	q.proof.read = func(ctx context.Context, q *Queue, p outbox.Page, start int64) (uint64, []outbox.Record, bool, error) {
		xmin, rows, full, err := read(ctx, q, p, start)
		err = errors.Join(err, tx.Commit(ctx))
		if late && err == nil {
			var text string
			if err = q.pool.QueryRow(ctx, q.proof.oldest).Scan(&text); err == nil {
				xmin, err = strconv.ParseUint(text, 10, 64)
			}
		}
		return xmin, rows, full, err
	}
	rows, err := q.Fetch(t.Context(), p)
	if err != nil || len(rows) > 0 {
		t.Fatalf("a page saw %d rows that were not committed: %v", len(rows), err)
	}
	q.proof.read = read
	return drain(t, q, p) == 1
}

// ownQueue is the queue of another process.
func ownQueue(t testing.TB, cfg Config) *Queue {
	t.Helper()
	p, err := cfg.relay()
	if err != nil {
		t.Fatal(err)
	}
	q, err := newQueue(t.Context(), p, cfg.Pooler, func() {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.pool.Close)
	return q
}

func leaseAll(t testing.TB, q *Queue, owner string) outbox.Page {
	t.Helper()
	leases, err := q.Lease(t.Context(), owner, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(leases) != outbox.Shards {
		t.Fatalf("%d leases, want all", len(leases))
	}
	return outbox.Page{Owner: owner, Leases: leases, Limit: 500}
}

func emit(t testing.TB, db *DB, n int) {
	t.Helper()
	err := db.InTx(t.Context(), func(_ context.Context, tx *Tx) error {
		for i := range n {
			if err := tx.Emit(outbox.Message{Topic: "t", Key: strconv.Itoa(i), Type: "T", Payload: make([]byte, 200)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// drain publishes to nobody until the outbox is empty.
func drain(t testing.TB, q *Queue, p outbox.Page) (n int) {
	t.Helper()
	for {
		rows, err := q.Fetch(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			return n
		}
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.Row
		}
		if err := q.Delete(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		n += len(rows)
	}
}

// rise reads an empty outbox until the floor is at row: whoever else uses the server is in its snapshots too, so that a
// proof may have to be tried again.
func rise(t *testing.T, q *Queue, p outbox.Page, row int64) {
	t.Helper()
	eventually(t, func() bool {
		if err := q.Delete(t.Context(), []int64{1 << 40}); err != nil { // proposes
			t.Fatal(err)
		}
		drain(t, q, p) // decides
		return q.floor.begin(p).known >= row
	})
}

// TestFloorDrawn: an id that the proof takes for drawn is not drawn afterwards, however many draw at the same time.
func TestFloorDrawn(t *testing.T) {
	for name, tt := range map[string]struct {
		drawn string
		sound bool
	}{
		"as it is":          {xminProof.drawn, true},
		"from the sequence": {`SELECT last_value - (NOT is_called)::int FROM outbox_id_seq`, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(rig.Postgres(t))
			cfg.MaxConns = 8
			db := migrated(t, cfg)
			ctx, cancel := context.WithCancel(t.Context())
			var writers sync.WaitGroup
			defer writers.Wait()
			defer cancel()
			for range 4 {
				writers.Go(func() {
					for ctx.Err() == nil {
						// An error is that of the end.
						_, _ = db.pool.Exec(ctx, `SELECT nextval('outbox_id_seq') FROM generate_series(1, 1000)`)
					}
				})
			}
			patience := time.Minute
			if tt.sound {
				patience = 5 * time.Second
			}
			reads := 0
			for began := time.Now(); time.Since(began) < patience; reads++ {
				var drawn, next int64
				// The columns are evaluated from left to right.
				if err := db.pool.QueryRow(ctx, "SELECT ("+tt.drawn+"), nextval('outbox_id_seq')").Scan(&drawn, &next); err != nil {
					t.Fatalf("after %d reads: %v", reads, err)
				}
				switch ahead := drawn >= next; {
				case ahead && tt.sound:
					t.Fatalf("%d was taken for drawn before %d was", drawn, next)
				case ahead:
					t.Logf("caught in read %d: %d was taken for drawn before %d was", reads, drawn, next)
					return
				}
			}
			if !tt.sound {
				t.Errorf("not caught in %d reads", reads)
			}
		})
	}
}

// TestFloorFreshSequence: of a sequence that was never drawn from, row 1 is still to come.
func TestFloorFreshSequence(t *testing.T) {
	for name, tt := range map[string]struct {
		drawn string
		want  int
	}{
		"as it is":           {xminProof.drawn, 1},
		"first is not drawn": {`SELECT coalesce(pg_sequence_last_value('outbox_id_seq'), 1)`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(rig.Postgres(t))
			db := migrated(t, cfg)
			q := db.Queue()
			q.proof.drawn = tt.drawn
			began := time.Now()
			q.floor.now = func() time.Time { return began }
			p := leaseAll(t, q, "r")
			rise(t, q, p, int64(1-tt.want))
			emit(t, db, 1)
			if n := drain(t, q, p); n != tt.want {
				t.Errorf("%d rows found, want %d", n, tt.want)
			}
		})
	}
}

// TestFloorMissed: whoever writes without drawing a transaction id first is found by the sweep, and counted.
func TestFloorMissed(t *testing.T) {
	cfg := testConfig(rig.Postgres(t))
	db := migrated(t, cfg)
	q := db.Queue()
	now := time.Now()
	q.floor.now = func() time.Time { return now }
	p := leaseAll(t, q, "r")
	emit(t, db, 10)
	rise(t, q, p, 10)
	if _, err := db.pool.Exec(t.Context(), `
INSERT INTO outbox (id, shard, topic, key, event_id, type, payload, traceparent) OVERRIDING SYSTEM VALUE
VALUES (3, 5, 't', 'k', gen_random_uuid(), 'T', '', '')`); err != nil {
		t.Fatal(err)
	}
	if n := drain(t, q, p); n != 0 {
		t.Fatalf("the floor has not risen: %d rows", n)
	}
	now = now.Add(sweepEvery)
	if n := drain(t, q, p); n != 1 || q.FloorMissed() != 1 {
		t.Errorf("sweep found %d rows and counted %d, want 1", n, q.FloorMissed())
	}
}

// TestFloorStaleCandidate: what was read before a crash of the server says nothing about the time after it.
func TestFloorStaleCandidate(t *testing.T) {
	f := newFloor(false)
	generation, yes := f.wanted()
	if !yes {
		t.Fatal("a new floor wants no candidate")
	}
	f.reset()
	f.propose(candidate{row: 100, xid: 500}, generation)
	p := outbox.Page{Leases: []outbox.Lease{{Shard: 1, Epoch: 1}}}
	f.end(f.begin(p), 500, nil, false)
	if start := f.begin(p).known; start != 0 {
		t.Errorf("the floor rose to %d on the word of a server that is gone", start)
	}
}

// TestFloorLeftOut: a page that leaves topics or keys out proves nothing about them.
func TestFloorLeftOut(t *testing.T) {
	cfg := testConfig(rig.Postgres(t))
	db := migrated(t, cfg)
	q := db.Queue()
	began := time.Now()
	q.floor.now = func() time.Time { return began }
	p := leaseAll(t, q, "r")
	emit(t, db, 10)
	for name, out := range map[string]outbox.Page{
		"topic": {Topics: []string{"t"}},
		"keys":  {Keys: []outbox.Key{{Topic: "t", Key: "3"}}},
	} {
		if err := q.Delete(t.Context(), []int64{1 << 40}); err != nil { // proposes
			t.Fatal(err)
		}
		out.Owner, out.Leases, out.Again, out.Limit = p.Owner, p.Leases, p.Again, p.Limit
		for range 3 {
			if _, err := q.Fetch(t.Context(), out); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := q.Fetch(t.Context(), p)
		p.Again = 1
		if err != nil || len(rows) != 10 {
			t.Errorf("after a page without a %s: %d rows, %v; want 10", name, len(rows), err)
		}
	}
}

// TestHeldSnapshot: a snapshot held open keeps deleted rows in place. Reading from 0 walks over them; the floor
// does not.
func TestHeldSnapshot(t *testing.T) {
	cfg := testConfig(rig.Postgres(t))
	cfg.IdleInTxTimeout = 0
	db := migrated(t, cfg)
	report, err := db.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = report.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := report.Exec(t.Context(), `SELECT count(*) FROM counter`); err != nil {
		t.Fatal(err)
	}
	q := db.Queue()
	p := leaseAll(t, q, "r")
	const batches = 20
	for range batches {
		emit(t, db, 1000)
		drain(t, q, p)
	}
	rise(t, q, p, 1000*batches)
	emit(t, db, 10)
	floor := q.floor.begin(p).known
	atFloor, atZero := buffers(t, q.pool, p, floor), buffers(t, q.pool, p, 0)
	t.Logf("buffers read after %d deleted rows: %d from the floor (%d), %d from 0", 1000*batches, atFloor, floor, atZero)
	if atFloor > 200 || atZero < 4*atFloor {
		t.Errorf("%d buffers from the floor, %d from 0", atFloor, atZero)
	}
	if n := drain(t, q, p); n != 10 || q.FloorMissed() != 0 {
		t.Errorf("%d rows, %d missed", n, q.FloorMissed())
	}
}

// buffers is what a page costs.
func buffers(t *testing.T, pool *pgxpool.Pool, p outbox.Page, start int64) int {
	t.Helper()
	b := &pgx.Batch{}
	queueFetch(b, p, start)
	var plan []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		} `json:"Plan"`
	}
	var text []byte
	if err := pool.QueryRow(t.Context(), `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) `+fetchRows, b.QueuedQueries[0].Arguments...).Scan(&text); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	return plan[0].Plan.Hit + plan[0].Plan.Read
}

// TestXidBeforeIds holds the first step of the floor's proof against the plans: the condition that draws the
// transaction id is tested once, by a node no higher than the one that draws row ids.
func TestXidBeforeIds(t *testing.T) {
	db := migrated(t, testConfig(rig.Postgres(t)))
	for name, n := range map[string]int{"one row": 1, "many rows": 3} {
		t.Run(name, func(t *testing.T) {
			b := &pgx.Batch{}
			if err := queueRows(b, make([]outbox.Message, n)); err != nil {
				t.Fatal(err)
			}
			q := b.QueuedQueries[0]
			rows, err := db.pool.Query(t.Context(), `EXPLAIN (VERBOSE, COSTS OFF) `+q.SQL, q.Arguments...)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			draws, tests := -1, -1
			for i, line := range plan {
				if strings.Contains(line, "nextval") {
					draws = i
				}
				if strings.Contains(line, "One-Time Filter: (pg_current_xact_id() IS NOT NULL)") {
					tests = i
				}
			}
			if draws < 0 || tests < draws {
				t.Errorf("row ids are drawn on line %d, the transaction id on line %d:\n%s", draws, tests, strings.Join(plan, "\n"))
			}
		})
	}
}
