package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

// wire counts the round trips of a connection and keeps the statements sent: a round trip is a turn of the
// conversation, bytes written after bytes were read.
type wire struct {
	mu     sync.Mutex
	trips  int
	asking bool
	sent   []byte
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c wireConn) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	if !c.wire.asking {
		c.wire.asking = true
		c.wire.trips++
	}
	c.wire.sent = append(c.wire.sent, b...)
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

func (c wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.wire.mu.Lock()
		c.wire.asking = false
		c.wire.mu.Unlock()
	}
	return n, err
}

func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trips, w.sent = 0, nil
}

func (w *wire) tally() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trips
}

// messages returns the types of the messages sent.
func (w *wire) messages() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var types strings.Builder
	for b := w.sent; len(b) >= 5; {
		n := int(b[1])<<24 | int(b[2])<<16 | int(b[3])<<8 | int(b[4])
		types.WriteByte(b[0])
		b = b[1+n:]
	}
	return types.String()
}

// onWire opens a database whose one business connection is recorded.
func onWire(t *testing.T, change func(*Config)) (*DB, *wire) {
	t.Helper()
	cfg := testConfig(rig.Postgres(t))
	cfg.MaxConns = 1
	if change != nil {
		change(&cfg)
	}
	db := migrated(t, cfg)
	w := &wire{}
	p, err := cfg.business()
	if err != nil {
		t.Fatal(err)
	}
	p.AfterConnect = db.greet
	dial := p.ConnConfig.DialFunc
	p.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return wireConn{Conn: c, wire: w}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	db.pool.Close()
	db.pool = pool
	return db, w
}

const upsert = `INSERT INTO counter (name, n) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET n = counter.n + 1`

// TestRoundTrips is the price list of InTx: the statements of the function, and one more.
func TestRoundTrips(t *testing.T) {
	ctx := t.Context()
	exec := func(n int) func(*testing.T, *Tx) {
		return func(t *testing.T, tx *Tx) {
			for range n {
				if _, err := tx.Exec(ctx, upsert, "a"); err != nil {
					t.Error(err)
				}
			}
		}
	}
	query := func(t *testing.T, tx *Tx) {
		rows, err := tx.Query(ctx, `SELECT name FROM counter WHERE n > $1`, 0)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Error(err)
		}
	}
	row := func(t *testing.T, tx *Tx) {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM counter WHERE name = @name`, pgx.NamedArgs{"name": "a"}).Scan(&n); err != nil {
			t.Error(err)
		}
	}
	batch := func(t *testing.T, tx *Tx) {
		b := &pgx.Batch{}
		b.Queue(upsert, "a")
		b.Queue(upsert, "b")
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			t.Error(err)
		}
	}
	queue := func(n int) func(*testing.T, *Tx) {
		return func(_ *testing.T, tx *Tx) {
			for range n {
				tx.Queue(upsert, "a")
			}
		}
	}
	for _, tt := range []struct {
		name string
		do   []func(*testing.T, *Tx)
		emit int
		want int
	}{
		{"nothing", nil, 0, 0},
		{"only an event", nil, 1, 1},
		{"one statement", []func(*testing.T, *Tx){exec(1)}, 0, 2},
		{"one statement, one event", []func(*testing.T, *Tx){exec(1)}, 1, 2},
		{"one statement, a hundred events", []func(*testing.T, *Tx){exec(1)}, 100, 2},
		{"three statements, one event", []func(*testing.T, *Tx){exec(3)}, 1, 4},
		{"query first", []func(*testing.T, *Tx){query, exec(1)}, 1, 3},
		{"query row first", []func(*testing.T, *Tx){row, exec(1)}, 1, 3},
		{"a batch of one's own needs BEGIN before", []func(*testing.T, *Tx){batch}, 1, 3},
		{"a batch in between", []func(*testing.T, *Tx){exec(1), batch}, 1, 3},
		{"all queued", []func(*testing.T, *Tx){queue(3)}, 1, 1},
		{"all queued, no event", []func(*testing.T, *Tx){queue(3)}, 0, 1},
		{"queued behind", []func(*testing.T, *Tx){exec(1), queue(3)}, 1, 2},
		{"queued in front", []func(*testing.T, *Tx){queue(3), exec(1)}, 1, 2},
		{"queued in front of a query", []func(*testing.T, *Tx){queue(1), query, queue(1), row}, 1, 3},
		{"queued in front of a batch", []func(*testing.T, *Tx){queue(1), batch}, 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, w := onWire(t, nil)
			run := func() {
				if err := db.InTx(ctx, func(_ context.Context, tx *Tx) error {
					for _, do := range tt.do {
						do(t, tx)
					}
					for i := range tt.emit {
						if err := tx.Emit(outbox.Message{Topic: "t", Key: "k", Type: "T", Payload: []byte{byte(i)}}); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			run() // connects and prepares
			w.reset()
			run()
			if got := w.tally(); got != tt.want {
				t.Errorf("%d round trips, want %d; messages %s", got, tt.want, w.messages())
			}
			// One Sync, or one simple Query, a trip: what travels together is answered together.
			if got := strings.Count(w.messages(), "S") + strings.Count(w.messages(), "Q"); got != tt.want {
				t.Errorf("%d syncs, want %d; messages %s", got, tt.want, w.messages())
			}
		})
	}
}

// TestFirstStatement proves that sharing a batch with BEGIN changes nothing a caller can see.
func TestFirstStatement(t *testing.T) {
	db := migrated(t, testConfig(rig.Postgres(t)))
	ctx := t.Context()
	in := func(t *testing.T, fn func(tx *Tx) error) error {
		t.Helper()
		return db.InTx(ctx, func(_ context.Context, tx *Tx) error { return fn(tx) })
	}
	t.Run("the statement is inside", func(t *testing.T) {
		for name, first := range map[string]func(tx *Tx) error{
			"exec": func(tx *Tx) error { _, err := tx.Exec(ctx, upsert, t.Name()); return err },
			"query": func(tx *Tx) error {
				rows, err := tx.Query(ctx, upsert+` RETURNING n`, t.Name())
				if err != nil {
					return err
				}
				_, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
				return err
			},
			"query row": func(tx *Tx) error { var n int; return tx.QueryRow(ctx, upsert+` RETURNING n`, t.Name()).Scan(&n) },
			"simple": func(tx *Tx) error {
				_, err := tx.Exec(ctx, upsert, pgx.QueryExecModeSimpleProtocol, t.Name())
				return err
			},
			"conn": func(tx *Tx) error { _, err := tx.Conn().Exec(ctx, upsert, t.Name()); return err },
			"savepoint": func(tx *Tx) error {
				return pgx.BeginFunc(ctx, tx, func(in pgx.Tx) error { _, err := in.Exec(ctx, upsert, t.Name()); return err })
			},
			"copy": func(tx *Tx) error {
				_, err := tx.CopyFrom(ctx, pgx.Identifier{"counter"}, []string{"name", "n"}, pgx.CopyFromRows([][]any{{t.Name(), 1}}))
				return err
			},
			"prepare": func(tx *Tx) error {
				if _, err := tx.Prepare(ctx, "up", upsert); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "up", t.Name())
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				err := in(t, func(tx *Tx) error {
					if err := first(tx); err != nil {
						t.Errorf("first statement: %v", err)
					}
					return context.Canceled
				})
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if n := count(t, db); n != 0 {
					t.Fatalf("%d rows survived the rollback", n)
				}
				if err := in(t, first); err != nil {
					t.Fatal(err)
				}
				if n := count(t, db); n != 1 {
					t.Fatalf("%d rows after the commit, want 1", n)
				}
				if _, err := db.pool.Exec(ctx, `DELETE FROM counter`); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
	t.Run("no row", func(t *testing.T) {
		err := in(t, func(tx *Tx) error { var n int; return tx.QueryRow(ctx, `SELECT n FROM counter`).Scan(&n) })
		if !errors.Is(err, pgx.ErrNoRows) {
			t.Fatalf("got %v, want ErrNoRows", err)
		}
	})
	for name, bad := range map[string]string{"does not parse": `SELEC`, "fails": `SELECT 1 / 0`, "no such table": `SELECT * FROM nowhere`} {
		t.Run(name, func(t *testing.T) {
			for mode, first := range map[string]func(tx *Tx) error{
				"exec": func(tx *Tx) error { _, err := tx.Exec(ctx, bad); return err },
				"query": func(tx *Tx) error {
					rows, _ := tx.Query(ctx, bad)
					_, err := pgx.CollectRows(rows, pgx.RowTo[int])
					return err
				},
				"query row": func(tx *Tx) error { var n int; return tx.QueryRow(ctx, bad).Scan(&n) },
			} {
				if err := in(t, first); err == nil || Unavailable(err) {
					t.Errorf("%s: got %v, want the statement's own error", mode, err)
				}
				// Whoever overlooks the error cannot commit.
				err := in(t, func(tx *Tx) error {
					_ = first(tx)
					_, _ = tx.Exec(ctx, upsert, "a")
					return tx.Emit(outbox.Message{Topic: "t", Type: "T"})
				})
				if err == nil || count(t, db) != 0 {
					t.Errorf("%s: a failed transaction was committed in part: %v, %d rows", mode, err, count(t, db))
				}
			}
		})
	}
}

// TestQueue proves that a queued statement takes part in the transaction, in its place.
func TestQueue(t *testing.T) {
	db := migrated(t, testConfig(rig.Postgres(t)))
	ctx := t.Context()
	in := func(fn func(tx *Tx) error) error {
		return db.InTx(ctx, func(_ context.Context, tx *Tx) error { return fn(tx) })
	}
	t.Run("in the order of the calls", func(t *testing.T) {
		for name, read := range map[string]func(tx *Tx) (int, error){
			"query row": func(tx *Tx) (n int, err error) {
				return n, tx.QueryRow(ctx, `SELECT n FROM counter WHERE name = 'a'`).Scan(&n)
			},
			"batch": func(tx *Tx) (n int, err error) {
				b := &pgx.Batch{}
				b.Queue(`SELECT n FROM counter WHERE name = 'a'`).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
				return n, tx.SendBatch(ctx, b).Close()
			},
			"conn": func(tx *Tx) (n int, err error) {
				return n, tx.Conn().QueryRow(ctx, `SELECT n FROM counter WHERE name = 'a'`).Scan(&n)
			},
		} {
			err := in(func(tx *Tx) error {
				for want := 1; want <= 2; want++ { // the first is sent with BEGIN, the second without
					tx.Queue(upsert, "a")
					if n, err := read(tx); err != nil || n != want {
						t.Errorf("%s: read %d, %v; want %d", name, n, err, want)
					}
				}
				tx.Queue(`DELETE FROM counter`)
				return tx.Emit(outbox.Message{Topic: "t", Type: "T"})
			})
			if err != nil || count(t, db) != 0 {
				t.Errorf("%s: %v, %d rows after the last statement deleted them", name, err, count(t, db))
			}
		}
	})
	t.Run("rolled back", func(t *testing.T) {
		err := in(func(tx *Tx) error { tx.Queue(upsert, "a"); return context.Canceled })
		if !errors.Is(err, context.Canceled) || count(t, db) != 0 {
			t.Fatalf("%v, %d rows", err, count(t, db))
		}
	})
	for name, bad := range map[string]statement{
		"does not parse": {sql: `SELEC`}, "fails": {sql: `SELECT 1 / 0`}, "cannot be encoded": {`SELECT $1::int`, []any{make(chan int)}},
	} {
		t.Run(name, func(t *testing.T) {
			queue := func(tx *Tx) { tx.Queue(bad.sql, bad.args...) }
			for when, fn := range map[string]func(tx *Tx) error{
				"alone": func(tx *Tx) error { queue(tx); return nil },
				"with an event": func(tx *Tx) error {
					queue(tx)
					return tx.Emit(outbox.Message{Topic: "t", Type: "T"})
				},
				"behind others": func(tx *Tx) error {
					if _, err := tx.Exec(ctx, upsert, "a"); err != nil {
						return err
					}
					tx.Queue(upsert, "b")
					queue(tx)
					return nil
				},
				"overlooked": func(tx *Tx) error {
					if _, err := tx.Exec(ctx, upsert, "a"); err != nil {
						return err
					}
					queue(tx)
					_, _ = tx.Exec(ctx, upsert, "b")
					_, _ = tx.Exec(ctx, upsert, "c")
					return nil
				},
			} {
				err := in(fn)
				if err == nil || Unavailable(err) || errors.Is(err, ErrCommitUnknown) {
					t.Errorf("%s: got %v, want the statement's own error", when, err)
				}
				if n := count(t, db); n != 0 {
					t.Errorf("%s: %d rows of a failed transaction", when, n)
				}
			}
		})
	}
}

func count(t testing.TB, db *DB) (n int) {
	t.Helper()
	if err := db.pool.QueryRow(context.WithoutCancel(t.Context()), `SELECT count(*) FROM counter`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
