package outbox

import (
	"errors"
	"fmt"
	"math"
	"net"
	"time"
)

// What happens to a key whose message the broker has refused for good.
const (
	BlockKey = "block_key" // later messages of the key wait for an operator: order before progress
	Skip     = "skip"      // later messages of the key go on: progress before order
)

// Config tunes the relay. The defaults suit most services. NewRelay takes a zero field for its default; who sets a
// variable to 0 is told by Check that it means nothing.
type Config struct {
	Batch       int           `env:"RELAY_BATCH" envDefault:"1000" help:"relay: rows a fetch asks for"`
	Held        int           `env:"RELAY_HELD" envDefault:"8000" help:"relay: rows in memory, all lanes together"`
	HeldBytes   int           `env:"RELAY_HELD_BYTES" envDefault:"33554432" help:"relay: their payload"`
	Lanes       int           `env:"RELAY_LANES" envDefault:"2" help:"relay: loops that share the shards"`
	LeaseTTL    time.Duration `env:"RELAY_LEASE_TTL" envDefault:"15s" help:"relay: how long a shard stays with a relay that has gone silent"`
	PollMin     time.Duration `env:"RELAY_POLL_MIN" envDefault:"50ms" help:"relay: between fetches after activity"`
	PollMax     time.Duration `env:"RELAY_POLL_MAX" envDefault:"1s" help:"relay: between fetches when idle"`
	RetryMin    time.Duration `env:"RELAY_RETRY_MIN" envDefault:"50ms" help:"relay: first pause after a failure or refusal; it doubles"`
	RetryMax    time.Duration `env:"RELAY_RETRY_MAX" envDefault:"5s" help:"relay: longest pause"`
	MaxAttempts int           `env:"RELAY_MAX_ATTEMPTS" envDefault:"20" help:"relay: refusals before a message is a dead letter; with the pauses between them 20 take most of a minute"`
	OnDead      string        `env:"RELAY_ON_DEAD" envDefault:"block_key" help:"relay: block_key: later events of its key wait for an operator; skip: they go on"`
	Drain       time.Duration `env:"RELAY_DRAIN" envDefault:"5s" help:"relay: wait for answers at shutdown"`
}

// Check reports every value that the relay cannot work with.
func (c Config) Check(bad func(key, problem string)) {
	for key, n := range map[string]int{"RELAY_BATCH": c.Batch, "RELAY_LANES": c.Lanes, "RELAY_MAX_ATTEMPTS": c.MaxAttempts} {
		if n < 1 {
			bad(key, fmt.Sprintf("%d is below 1", n))
		}
	}
	if c.MaxAttempts > math.MaxInt16 {
		bad("RELAY_MAX_ATTEMPTS", fmt.Sprintf("%d is above %d, all that the table can count", c.MaxAttempts, math.MaxInt16))
	}
	if c.Held < c.Batch {
		bad("RELAY_HELD", fmt.Sprintf("%d is below RELAY_BATCH, %d", c.Held, c.Batch))
	}
	if c.HeldBytes < MaxPayload {
		bad("RELAY_HELD_BYTES", fmt.Sprintf("%d is below the largest message, %d", c.HeldBytes, MaxPayload))
	}
	for key, d := range map[string]time.Duration{"RELAY_LEASE_TTL": c.LeaseTTL, "RELAY_POLL_MIN": c.PollMin, "RELAY_RETRY_MIN": c.RetryMin, "RELAY_DRAIN": c.Drain} {
		if d <= 0 {
			bad(key, "must be positive")
		}
	}
	if c.PollMax < c.PollMin {
		bad("RELAY_POLL_MAX", fmt.Sprintf("%v is below RELAY_POLL_MIN, %v", c.PollMax, c.PollMin))
	}
	if c.RetryMax < c.RetryMin {
		bad("RELAY_RETRY_MAX", fmt.Sprintf("%v is below RELAY_RETRY_MIN, %v", c.RetryMax, c.RetryMin))
	}
	if c.OnDead != BlockKey && c.OnDead != Skip {
		bad("RELAY_ON_DEAD", fmt.Sprintf("%q is neither %s nor %s", c.OnDead, BlockKey, Skip))
	}
}

// Problems is what a part's Check reports, as one error, for who was not given the part by package config.
func Problems(part interface {
	Check(bad func(key, problem string))
}) error {
	var errs []error
	part.Check(func(key, problem string) { errs = append(errs, fmt.Errorf("%s: %s", key, problem)) })
	return errors.Join(errs...)
}

// Loopback reports whether only this host can be meant. A name is taken as its address only for localhost: what another name
// resolves to may change. Databases and brokers elsewhere are to be reached with TLS.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// withDefaults fills zero fields in.
func (c Config) withDefaults() Config {
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
	def(&c.Batch, 1000)
	def(&c.Held, 8000)
	def(&c.HeldBytes, 32<<20)
	def(&c.Lanes, 2)
	def(&c.MaxAttempts, 20)
	defTime(&c.LeaseTTL, 15*time.Second)
	defTime(&c.PollMin, 50*time.Millisecond)
	defTime(&c.PollMax, time.Second)
	defTime(&c.RetryMin, 50*time.Millisecond)
	defTime(&c.RetryMax, 5*time.Second)
	defTime(&c.Drain, 5*time.Second)
	if c.OnDead == "" {
		c.OnDead = BlockKey
	}
	return c
}
