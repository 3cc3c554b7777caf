// Package kafka opens the emitted Kafka broker for the benchmark. It lies here, and not beside its only caller, because
// of its import path (go.mod).
package kafka

import (
	"context"
	"log/slog"

	"github.com/caarlos0/env/v11"

	"github.com/svcgen/svcgen/templates/service/variant/kafka/internal/gen/broker"
)

// Broker is the emitted broker.
type Broker = broker.Broker

// Open starts connecting to brokers with the emitted defaults.
func Open(ctx context.Context, brokers []string, source string) (*Broker, error) {
	cfg, err := env.ParseAsWithOptions[broker.Config](env.Options{Environment: map[string]string{}})
	if err != nil {
		return nil, err
	}
	cfg.Brokers = brokers
	return broker.Open(ctx, cfg, source, slog.New(slog.DiscardHandler))
}
