// Package config reads what an operator may change: from flags, from environment variables behind the service's
// prefix, and, for secrets, from files.
//
// In: the environment and the flags that were set. Out: one Config, complete and checked, or one error that names
// every variable, with its flag, that cannot be used. The packages own their part of it and its checks; a field's
// tags say all there is to know: env (the variable), envDefault, in which {name} is the service's name, and help.
// A variable whose name ends in PASSWORD, SECRET or TOKEN is never printed; those and URLs may be left to a file
// that the variable with _FILE behind its name names.
package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/admin"
	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/rpc"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
)

// Config is everything the service can be told.
type Config struct {
	GRPC      rpc.Config
	Admin     admin.Config
	Telemetry telemetry.Config
	Database  store.Config
	Broker    broker.Config
	Relay     outbox.Config
	Consume   Consume
	Shutdown  Shutdown

	prefix  string
	set     map[string]bool // by key, where a flag or variable gave the value
	unknown []string
}

// Consume is how events are handled.
type Consume struct {
	Timeout time.Duration `env:"EVENT_TIMEOUT" envDefault:"30s" help:"deadline of an event's handler and its transaction, after which it is tried again"`
}

// Check reports a deadline that no handler could meet.
func (c Consume) Check(bad func(key, problem string)) {
	if c.Timeout <= 0 {
		bad("EVENT_TIMEOUT", "must be positive")
	}
}

// Shutdown is how the service stops.
type Shutdown struct {
	DrainDelay time.Duration `env:"DRAIN_DELAY" envDefault:"5s" help:"how long to serve on after saying not ready, so that load balancers notice; on a terminal 0 unless set"`
}

// Check reports a delay that makes no sense.
func (s Shutdown) Check(bad func(key, problem string)) {
	if s.DrainDelay < 0 {
		bad("DRAIN_DELAY", "must not be negative")
	}
}

// clientGroups is how many of the groups a client of the running service needs; they come first.
const clientGroups = 3

// groups are the parts of a Config, in the order they are shown in.
func (c *Config) groups() []any {
	return []any{&c.GRPC, &c.Admin, &c.Telemetry, &c.Database, &c.Broker, &c.Relay, &c.Consume, &c.Shutdown}
}

// IsSet reports whether a flag or variable gave the value of key, as opposed to its default.
func (c *Config) IsSet(key string) bool { return c.set[key] }

// Unknown lists the variables behind the prefix that nothing reads. They are no error: an orchestrator adds some
// of its own for a service of this name.
func (c *Config) Unknown() []string { return c.unknown }

// checker is a part that can tell which of its values cannot be used. A problem names other variables as {TLS_CERT}.
type checker interface {
	Check(bad func(key, problem string))
}

func (c *Config) check(groups []any) []string {
	var problems, variables []string
	for _, f := range Fields() {
		variables = append(variables, "{"+f.Key+"}", c.prefix+f.Key)
	}
	variable := strings.NewReplacer(variables...)
	for _, g := range groups {
		part, ok := g.(checker)
		if !ok {
			continue
		}
		part.Check(func(key, problem string) {
			problems = append(problems, fmt.Sprintf("%s: %s", c.Name(key), variable.Replace(problem)))
		})
	}
	return problems
}

// Name is how a value is spelled where an operator sets it.
func (c *Config) Name(key string) string { return fmt.Sprintf("%s (%s)", c.prefix+key, flagOf(key)) }

// flagOf is the flag of a variable: GRPC_ADDR is --grpc-addr.
func flagOf(key string) string { return "--" + strings.ToLower(strings.ReplaceAll(key, "_", "-")) }
