package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"
)

// testWriters proves the first condition of the order theorem: with concurrent transactions, some of which fail,
// the rows of a key are in commit order, without gaps, and nothing of a failed transaction is there.
func (s Suite) testWriters(t *testing.T) {
	open := s.Fresh(t)
	first := s.migrated(t, open)
	stores := []Store{first, opened(t, open)} // two processes
	const keys, writers, rounds = 4, 8, 40
	for k := range keys {
		must(t, first.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			return tx.Exec(ctx, fmt.Sprintf("INSERT INTO counter VALUES ('k%d-', 0)", k))
		}))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(w)))
			for range rounds {
				key, fail := fmt.Sprintf("k%d-", rnd.IntN(keys)), rnd.IntN(4)
				ctx, cancel := context.WithCancel(t.Context())
				err := stores[w%len(stores)].InTx(ctx, func(ctx context.Context, tx Tx) error {
					if err := tx.Exec(ctx, "UPDATE counter SET n = n + 1 WHERE name = '"+key+"'"); err != nil {
						return err
					}
					n, err := tx.Int(ctx, "SELECT n FROM counter WHERE name = '"+key+"'")
					if err != nil {
						return err
					}
					if err := tx.Emit(message(key, int(n))); err != nil {
						return err
					}
					switch fail {
					case 0:
						return refused
					case 1:
						cancel()
						return tx.Exec(ctx, "UPDATE counter SET n = n + 100")
					}
					return nil
				})
				cancel()
				if fail > 1 && err != nil || fail <= 1 && err == nil {
					t.Errorf("round with fail=%d: %v", fail, err)
				}
			}
		})
	}
	wg.Wait()

	last := make(map[string]int)
	for _, rec := range lease(t, first.Queue(), "reader").all() {
		n, err := strconv.Atoi(string(rec.Payload))
		must(t, err)
		if n != last[rec.Key]+1 {
			t.Fatalf("key %s: version %d follows %d", rec.Key, n, last[rec.Key])
		}
		last[rec.Key] = n
	}
	total := 0
	for key, n := range last {
		total += n
		must(t, first.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			got, err := tx.Int(ctx, "SELECT n FROM counter WHERE name = '"+key+"'")
			if err == nil && got != int64(n) {
				t.Errorf("key %s: table says %d, events say %d", key, got, n)
			}
			return err
		}))
	}
	if total < writers*rounds/4 {
		t.Fatalf("only %d transactions committed: the test proves nothing", total)
	}
}
