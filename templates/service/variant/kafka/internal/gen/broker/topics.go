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

// topics knows what has to be done before a message goes to a topic.
//
// It creates missing topics where Config says so. Elsewhere a missing topic is an outage: a topic that a producer
// creates by mistyping its name is worse. And it lets the client forget a topic that was deleted: the client sends to
// the id that it once learnt, also when there is a new topic of that name.
type topics struct {
	cfg    Config
	client *kgo.Client
	admin  *kadm.Client

	mu    sync.Mutex
	known map[string]bool
	gone  map[string]bool
}

func newTopics(cfg Config, client *kgo.Client) *topics {
	return &topics{cfg: cfg, client: client, admin: kadm.NewClient(client), known: make(map[string]bool), gone: make(map[string]bool)}
}

// notice learns from the outcome of a message whether its topic is gone.
func (t *topics) notice(name string, err error) {
	if !errors.Is(err, kerr.UnknownTopicID) && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone[name] = true
	delete(t.known, name)
}

// ensure returns when a message may go to the topic, or why not. It may wait for the cluster where it creates topics.
func (t *topics) ensure(ctx context.Context, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone[name] {
		t.client.PurgeTopicsFromProducing(name) // fails what is buffered for it; the relay sends that again
		delete(t.gone, name)
	}
	if !t.cfg.CreateTopics || t.known[name] {
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
