package outbox_test

import (
	"fmt"
	"testing"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Rows written by one version of the service are read by the next: the numbers below are a promise.
func TestShardIsStable(t *testing.T) {
	for _, tt := range []struct {
		topic, key string
		want       int16
	}{
		{"orders", "1", 47},
		{"orders", "2", 34},
		{"orders", "", 36},
		{"order", "s1", 25},
	} {
		if got := outbox.Shard(tt.topic, tt.key); got != tt.want {
			t.Errorf("Shard(%q, %q) = %d, want %d", tt.topic, tt.key, got, tt.want)
		}
	}
}

func TestShardSpreadsKeys(t *testing.T) {
	const keys = 64_000
	var n [outbox.Shards]int
	for i := range keys {
		n[outbox.Shard("orders", fmt.Sprint(i))]++
	}
	for s, got := range n {
		if got < keys/outbox.Shards*8/10 || got > keys/outbox.Shards*12/10 {
			t.Errorf("shard %d has %d of %d keys", s, got, keys)
		}
	}
}
