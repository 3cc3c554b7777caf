package outbox

import (
	"fmt"
	"time"
)

// What happens to a key whose message the broker has refused for good.
const (
	BlockKey = "block_key" // later messages of the key wait for an operator: order before progress
	Skip     = "skip"      // later messages of the key go on: progress before order
)

// Config tunes the relay. The defaults suit most services; a zero field takes its default.
type Config struct {
	Batch       int           `env:"RELAY_BATCH" envDefault:"500" help:"relay: rows a fetch asks for"`
	Held        int           `env:"RELAY_HELD" envDefault:"4000" help:"relay: rows in memory, all lanes together"`
	HeldBytes   int           `env:"RELAY_HELD_BYTES" envDefault:"33554432" help:"relay: their payload"`
	Lanes       int           `env:"RELAY_LANES" envDefault:"2" help:"relay: loops that share the shards"`
	LeaseTTL    time.Duration `env:"RELAY_LEASE_TTL" envDefault:"15s" help:"relay: how long a shard stays with a relay that has gone silent"`
	PollMin     time.Duration `env:"RELAY_POLL_MIN" envDefault:"50ms" help:"relay: between fetches after activity"`
	PollMax     time.Duration `env:"RELAY_POLL_MAX" envDefault:"1s" help:"relay: between fetches when idle"`
	RetryMin    time.Duration `env:"RELAY_RETRY_MIN" envDefault:"50ms" help:"relay: first pause after a failure"`
	RetryMax    time.Duration `env:"RELAY_RETRY_MAX" envDefault:"5s" help:"relay: longest pause"`
	MaxAttempts int           `env:"RELAY_MAX_ATTEMPTS" envDefault:"3" help:"relay: refusals before a message is a dead letter"`
	OnDead      string        `env:"RELAY_ON_DEAD" envDefault:"block_key" help:"relay: block_key: later events of its key wait for an operator; skip: they go on"`
	Drain       time.Duration `env:"RELAY_DRAIN" envDefault:"5s" help:"relay: wait for answers at shutdown"`
}

// withDefaults fills zero fields in and checks the rest.
func (c Config) withDefaults() (Config, error) {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Batch, 500)
	def(&c.Held, 4000)
	def(&c.HeldBytes, 32<<20)
	def(&c.Lanes, 2)
	def(&c.MaxAttempts, 3)
	defTime(&c.LeaseTTL, 15*time.Second)
	defTime(&c.PollMin, 50*time.Millisecond)
	defTime(&c.PollMax, time.Second)
	defTime(&c.RetryMin, 50*time.Millisecond)
	defTime(&c.RetryMax, 5*time.Second)
	defTime(&c.Drain, 5*time.Second)
	if c.OnDead == "" {
		c.OnDead = BlockKey
	}
	switch {
	case c.Batch < 1 || c.Held < c.Batch || c.HeldBytes < MaxPayload || c.Lanes < 1 || c.MaxAttempts < 1:
		return c, fmt.Errorf("relay: batch %d, held %d, held bytes %d, lanes %d, max attempts %d: too small", c.Batch, c.Held, c.HeldBytes, c.Lanes, c.MaxAttempts)
	case c.LeaseTTL < 0 || c.PollMin < 0 || c.PollMax < c.PollMin || c.RetryMin < 0 || c.RetryMax < c.RetryMin || c.Drain < 0:
		return c, fmt.Errorf("relay: a duration is negative or a maximum below its minimum")
	case c.OnDead != BlockKey && c.OnDead != Skip:
		return c, fmt.Errorf("relay: on dead %q is neither %q nor %q", c.OnDead, BlockKey, Skip)
	}
	return c, nil
}
