// Package rabbitmq opens the emitted RabbitMQ broker for the benchmark. It lies here, and not beside its only caller,
// because of its import path (go.mod).
package rabbitmq

import (
	"context"
	"log/slog"

	"github.com/caarlos0/env/v11"

	"github.com/svcgen/svcgen/templates/service/variant/rabbitmq/internal/gen/broker"
)

// Broker is the emitted broker.
type Broker = broker.Broker

// Open starts connecting to url with the emitted defaults.
func Open(ctx context.Context, url, source string) (*Broker, error) {
	cfg, err := env.ParseAsWithOptions[broker.Config](env.Options{Environment: map[string]string{}})
	if err != nil {
		return nil, err
	}
	cfg.URL = url
	return broker.Open(ctx, cfg, source, slog.New(slog.DiscardHandler))
}
