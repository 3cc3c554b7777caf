package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topics creates missing topics where Config says so. Elsewhere a missing topic is an outage: a topic that a
// producer creates by mistyping its name is worse.
type topics struct {
	cfg   Config
	admin *kadm.Client

	mu    sync.Mutex
	known map[string]bool
}

func newTopics(cfg Config, client *kgo.Client) *topics {
	return &topics{cfg: cfg, admin: kadm.NewClient(client), known: make(map[string]bool)}
}

// ensure returns when the topic exists, or why that is not known.
func (t *topics) ensure(ctx context.Context, name string) error {
	if !t.cfg.CreateTopics {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[name] {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	_, err := t.admin.CreateTopic(ctx, t.cfg.Partitions, t.cfg.Replication, nil, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return outcome(fmt.Errorf("create topic %s: %w", name, err))
	}
	t.known[name] = true
	return nil
}
