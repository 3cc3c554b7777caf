package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/tap"
)

// swallow loses the broker's answers: what was accepted is not known to be.
func swallow(d time.Duration) inflict {
	return func(ctx context.Context, s *Scene) error {
		wire := s.Server.Proxy()
		was := wire.Dropped()
		s.Begin()
		wire.DropReplies()
		if err := s.For(ctx, d); err != nil {
			return err
		}
		if n := wire.Dropped() - was; n > 0 {
			s.Seen("%d bytes of answers were lost", n)
		}
		wire.Heal()
		s.Heal()
		return nil
	}
}

func rabbitFaults() []Fault {
	waits := unnoticed(history.BiteBacklog)
	refused := unnoticed(history.BiteSeen)
	faults := []Fault{
		{Name: "rabbitmq-kill", Stack: pgRabbit, Expect: waits, Inflict: kill(2*time.Second, theBroker)},
		{Name: "rabbitmq-ack-lost", Stack: pgRabbit, Expect: unnoticed(history.BiteSeen, history.BiteDuplicate), Inflict: swallow(2 * time.Second)},
		{Name: "rabbitmq-blocked", Stack: pgRabbit, Expect: unnoticed(history.BiteBacklog, history.BiteSeen), Inflict: blockPublishers},
		{Name: "rabbitmq-unroutable", Stack: pgRabbit, Expect: refused, Inflict: unbind},
		{Name: "rabbitmq-queue-deleted", Stack: pgRabbit, Expect: refused, Inflict: deleteQueue},
		{Name: "rabbitmq-channel-closed", Stack: pgRabbit, Expect: refused, Inflict: deleteExchange},
		{Name: "rabbitmq-connections-closed", Stack: pgRabbit, Expect: refused, Inflict: closeConnections},
	}
	return append(faults, serverFaults("rabbitmq", pgRabbit, waits, theBroker)...)
}

// unblocked ends the memory alarm.
var unblocked = []string{"set_vm_memory_high_watermark", "absolute", "1GB"}

// blockPublishers raises the memory alarm, upon which RabbitMQ stops reading from those who publish.
func blockPublishers(ctx context.Context, s *Scene) error {
	s.Begin()
	if _, err := s.Rabbit.Ctl(ctx, "set_vm_memory_high_watermark", "absolute", "1"); err != nil {
		return err
	}
	err := s.Until(ctx, 30*time.Second, "events wait", func(ctx context.Context) error {
		n, err := s.Depth(ctx)
		if err == nil && n < 500 {
			err = fmt.Errorf("%d do", n)
		}
		return err
	})
	if err != nil {
		return err
	}
	if n := s.logged("memory resource limit alarm set"); n > 0 {
		s.Seen("the alarm was set")
	}
	if _, err := s.Rabbit.Ctl(ctx, unblocked...); err != nil {
		return err
	}
	s.Heal()
	return nil
}

// logged counts lines of the broker's log.
func (s *Scene) logged(text string) int {
	log, err := os.ReadFile(filepath.Join(s.Server.Dir(), "server.log"))
	if err != nil {
		return 0
	}
	return strings.Count(string(log), text)
}

// onChannel does something to RabbitMQ as an operator would.
func (s *Scene) onChannel(do func(*amqp.Channel) error) error {
	conn, err := amqp.Dial(s.Rabbit.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // a connection of the test's own
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return do(ch)
}

func (s *Scene) bind() error {
	return s.onChannel(func(ch *amqp.Channel) error { return tap.Bind(ch, topic) })
}

// unbind takes the way to the queue away: RabbitMQ returns what nobody wants, and confirms it.
func unbind(ctx context.Context, s *Scene) error {
	s.Begin()
	if err := s.onChannel(func(ch *amqp.Channel) error { return ch.QueueUnbind(tap.Queue(topic), "#", topic, nil) }); err != nil {
		return err
	}
	err := s.die(ctx)
	if err = errors.Join(err, s.bind()); err != nil {
		return err
	}
	return s.revive(ctx)
}

// deleteQueue deletes the queue, between events: what is in a deleted queue is gone, and nobody's loss but its owner's.
func deleteQueue(ctx context.Context, s *Scene) error {
	if err := s.between(ctx, func() error {
		s.broker.tap.Close() // it would make the queue again
		s.Begin()
		return s.onChannel(func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(tap.Queue(topic), false, false, false)
			return err
		})
	}); err != nil {
		return err
	}
	err := s.die(ctx)
	reading, again := tap.RabbitMQ(ctx, s.Rabbit.URL(), topic, s.broker.hear) // in any case: other runs need it
	if again == nil {
		s.broker.tap = reading
	}
	if err = errors.Join(err, again); err != nil {
		return err
	}
	return s.revive(ctx)
}

// between does something when no call is under way and every event has arrived.
func (s *Scene) between(ctx context.Context, do func() error) error {
	s.Load.Pause()
	defer s.Load.Resume()
	if err := s.drained(ctx); err != nil {
		return err
	}
	if err := s.arrive(ctx); err != nil {
		return err
	}
	return do()
}

// die waits until events have become dead letters.
func (s *Scene) die(ctx context.Context) error {
	return s.Until(ctx, 30*time.Second, "events are refused", func(ctx context.Context) error {
		dead, err := s.letters(ctx)
		if err != nil {
			return err
		}
		if len(dead) < 20 {
			return fmt.Errorf("%d were", len(dead))
		}
		s.Seen("%d events were refused", len(dead))
		return nil
	})
}

// letters are the numbers of the dead letters.
func (s *Scene) letters(ctx context.Context) ([]string, error) {
	return column[string](ctx, s.DB, "SELECT id FROM outbox_dead ORDER BY id")
}

// revive heals, and requeues dead letters as an operator does until there are none, and none to come: what was refused before
// may still have to be counted.
func (s *Scene) revive(ctx context.Context) error {
	s.Heal()
	env := s.build.tree.Env("DATABASE_URL=" + s.DB.direct)
	return s.Until(ctx, time.Minute, "all dead letters are requeued", func(ctx context.Context) error {
		refused, err := column[int64](ctx, s.DB, "SELECT id FROM outbox WHERE attempts > 0")
		if err != nil {
			return err
		}
		dead, err := s.letters(ctx) // afterwards, since they come from there
		if err != nil || len(dead) == 0 && len(refused) == 0 {
			return err
		}
		if len(dead) == 0 {
			return fmt.Errorf("%d that were refused wait", len(refused))
		}
		if _, err := s.build.tree.Command(ctx, s.build.bin, env, "outbox", "requeue", "--all"); err != nil {
			return err
		}
		return fmt.Errorf("%d were", len(dead))
	})
}

// deleteExchange closes the channel of whoever publishes to it.
func deleteExchange(ctx context.Context, s *Scene) error {
	const closed = "operation basic.publish caused a channel exception not_found"
	before := s.logged(closed)
	s.Begin()
	for n := 0; n < 3 || s.logged(closed) == before && n < 20; n++ {
		err := s.onChannel(func(ch *amqp.Channel) error { return ch.ExchangeDelete(topic, false, false) })
		err = errors.Join(err, s.For(ctx, 300*time.Millisecond), s.bind())
		if err != nil {
			return err
		}
	}
	if n := s.logged(closed) - before; n > 0 {
		s.Seen("%d channels were closed", n)
	}
	return s.revive(ctx)
}

// closeConnections has the broker close them.
func closeConnections(ctx context.Context, s *Scene) error {
	const accepted = "accepting AMQP connection"
	s.Begin()
	for range 2 {
		before := s.logged(accepted)
		if _, err := s.Rabbit.Ctl(ctx, "close_all_connections", "a test"); err != nil {
			return err
		}
		// The tap's is one of them.
		if err := s.Until(ctx, time.Minute, "connections are made anew", func(context.Context) error {
			n := s.logged(accepted) - before
			if n < 2 {
				return fmt.Errorf("%d were", n)
			}
			s.Seen("%d connections were made anew", n)
			return nil
		}); err != nil {
			return err
		}
		if err := s.Succeed(ctx, 100); err != nil {
			return err
		}
	}
	s.Heal()
	return nil
}

func kafkaFaults() []Fault {
	waits := unnoticed(history.BiteBacklog)
	faults := []Fault{
		{Name: "kafka-kill", Stack: pgKafka, Expect: waits, Inflict: kill(2*time.Second, theBroker)},
		{Name: "kafka-ack-lost", Stack: pgKafka, Expect: unnoticed(history.BiteBacklog, history.BiteSeen), Inflict: swallow(5 * time.Second)},
	}
	faults = append(faults, serverFaults("kafka", pgKafka, waits, theBroker)...)
	return append(faults, Fault{Name: "kafka-leader-kill", Stack: pgKafka, Nodes: 3, Expect: unnoticed(history.BiteSeen), Inflict: killLeader})
}

// killLeader kills the node that leads a partition, and lets it come back when another does.
func killLeader(ctx context.Context, s *Scene) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.Kafka.Brokers(), ",")...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	leader := func(ctx context.Context) (int32, error) {
		topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
		if err != nil {
			return 0, err
		}
		return topics[topic].Partitions[0].Leader, nil
	}
	old, err := leader(ctx)
	if err != nil {
		return err
	}
	s.Begin()
	node := s.Kafka.Nodes[old-1]
	if err := node.Kill(); err != nil {
		return err
	}
	err = s.Until(ctx, time.Minute, "another node leads", func(ctx context.Context) error {
		now, err := leader(ctx)
		if err == nil && (now == old || now < 1) {
			err = fmt.Errorf("node %d does", now)
		}
		if err == nil {
			s.Seen("node %d led, now %d does", old, now)
		}
		return err
	})
	if err = errors.Join(err, s.Succeed(ctx, 200)); err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	s.Heal()
	return nil
}
