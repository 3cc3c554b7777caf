package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker/brokertest"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

func TestConformance(t *testing.T) {
	brokers := rig.Kafka(t)
	brokertest.Run(t, brokertest.Suite{
		Open: func(t testing.TB, source string) brokertest.Broker {
			b, err := Open(t.Context(), config(brokers), source, nopLog())
			must(t, err)
			return b
		},
		Topic: func(t testing.TB) string { return newTopic(t, brokers, 3) },
		Refused: func(t testing.TB) *outbox.Message {
			m := message(newTopic(t, brokers, 1), "k")
			m.Payload = make([]byte, 2<<20)
			return m
		},
		Patience: patience,
	})
}

func TestPublishedMessageIsACloudEvent(t *testing.T) {
	brokers := rig.Kafka(t)
	topic := newTopic(t, brokers, 1)
	b := open(t, config(brokers))
	m := message(topic, "order-7")
	m.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	m.Headers = map[string]string{"tenant": "acme"}
	must(t, publish(t, b, m))

	r := listen(t, brokers, topic).next()
	want := map[string]string{
		"ce_specversion":  "1.0",
		"ce_id":           m.ID.String(),
		"ce_source":       testSource,
		"ce_type":         testType,
		"ce_time":         "2026-11-22T10:20:30Z",
		"ce_subject":      "order-7",
		"ce_partitionkey": "order-7",
		"ce_traceparent":  m.Traceparent,
		"traceparent":     m.Traceparent,
		"content-type":    "application/protobuf",
		"tenant":          "acme",
	}
	for name, value := range want {
		if got := header(r, name); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
	if len(r.Headers) != len(want) {
		t.Errorf("headers %v, want %d of them", r.Headers, len(want))
	}
	if string(r.Key) != "order-7" || string(r.Value) != "payload of order-7" {
		t.Errorf("key %q, value %q", r.Key, r.Value)
	}
}

// TestPartitionIsThatOfKafkasOwnClient: consumers that join topics rely on it. The partitions are Java's
// Utils.toPositive(Utils.murmur2(key)) % 6.
func TestPartitionIsThatOfKafkasOwnClient(t *testing.T) {
	brokers := rig.Kafka(t)
	topic := newTopic(t, brokers, 6)
	b := open(t, config(brokers))
	want := map[string]int32{"order-1": murmur2("order-1") % 6, "order-2": murmur2("order-2") % 6, "": -1, "kunde-äöü": murmur2("kunde-äöü") % 6}
	for key := range want {
		must(t, publish(t, b, message(topic, key)))
	}
	tp := listen(t, brokers, topic)
	for range want {
		r := tp.next()
		if w := want[string(r.Key)]; w >= 0 && r.Partition != w {
			t.Errorf("key %q is in partition %d, want %d", r.Key, r.Partition, w)
		}
	}
}

// murmur2 is Kafka's, written down once more from its description, with the sign bit cleared.
func murmur2(s string) int32 {
	const m, seed = 0x5bd1e995, uint32(0x9747b28c)
	b := []byte(s)
	h := seed ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	for i, c := range slices.Backward(b) {
		h ^= uint32(c) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int32(h & 0x7fffffff)
}

func TestRefusals(t *testing.T) {
	brokers := rig.Kafka(t)
	topic := newTopic(t, brokers, 1)
	b := open(t, config(brokers))
	huge := message(topic, "k")
	huge.Payload = make([]byte, 2<<20)
	wantRejection(t, publish(t, b, huge))
	wantRejection(t, publish(t, b, message("no topic name!", "k")))
	must(t, publish(t, b, message(topic, "k")))
}

// TestMissingTopic: it is for the operator to create, so the message waits, and goes on when the topic is there.
func TestMissingTopic(t *testing.T) {
	brokers, topic := rig.Kafka(t), rig.Unique("late")
	b := open(t, config(brokers))
	m := message(topic, "k")
	wantOutage(t, publish(t, b, m))
	_, err := kadm.NewClient(raw(t, brokers)).CreateTopic(t.Context(), 1, 1, nil, topic)
	must(t, err)
	resend(t, b, m)
}

func TestMissingTopicIsCreatedWhereThatIsWanted(t *testing.T) {
	brokers, topic := rig.Kafka(t), rig.Unique("made")
	cfg := config(brokers)
	cfg.CreateTopics, cfg.Partitions = true, 3
	must(t, publish(t, open(t, cfg), message(topic, "k")))
	details, err := kadm.NewClient(raw(t, brokers)).ListTopics(t.Context(), topic)
	must(t, err)
	if n := len(details[topic].Partitions); n != 3 {
		t.Errorf("%d partitions, want 3", n)
	}
}

// TestRecreatedTopic: the broker has forgotten the producer's sequence numbers.
func TestRecreatedTopic(t *testing.T) {
	brokers := rig.Kafka(t)
	topic := newTopic(t, brokers, 1)
	b := open(t, config(brokers))
	for i := range 10 {
		must(t, publish(t, b, message(topic, keyOf(i))))
	}
	admin := kadm.NewClient(raw(t, brokers))
	_, err := admin.DeleteTopics(t.Context(), topic)
	must(t, err)
	eventually(t, "the topic is created again", func() error {
		_, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic)
		return err
	})
	m := message(topic, "k")
	resend(t, b, m)
	if r := listen(t, brokers, topic).next(); header(r, "ce_id") != m.ID.String() {
		t.Errorf("the new topic begins with %s", header(r, "ce_id"))
	}
}

// TestBrokerErrors answers produce requests with an error: once, so that the client gets over it, or always.
func TestBrokerErrors(t *testing.T) {
	for _, tt := range []struct {
		err     *kerr.Error
		always  bool
		want    string
		written bool // although the answer says otherwise
	}{
		{err: kerr.NotEnoughReplicas, want: "ok"},
		{err: kerr.NotEnoughReplicasAfterAppend, want: "ok"},
		{err: kerr.RequestTimedOut, want: "ok"},
		{err: kerr.NotLeaderForPartition, want: "ok"},
		{err: kerr.NotEnoughReplicas, always: true, want: "outage"},
		{err: kerr.RequestTimedOut, always: true, want: "outage"},
		{err: kerr.TopicAuthorizationFailed, always: true, want: "outage"},
		{err: kerr.ClusterAuthorizationFailed, always: true, want: "outage"},
		{err: kerr.UnknownTopicOrPartition, always: true, want: "outage"},
		{err: kerr.MessageTooLarge, always: true, want: "rejection"},
		{err: kerr.InvalidRecord, always: true, want: "rejection"},
	} {
		t.Run(fmt.Sprintf("%s always %v", tt.err.Message, tt.always), func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			must(t, err)
			t.Cleanup(cluster.Close)
			hits := 0
			cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				if hits++; tt.always {
					cluster.KeepControl()
				}
				return refuse(t, req, tt.err.Code), nil, true
			})
			cfg := config(strings.Join(cluster.ListenAddrs(), ","))
			if tt.want == "outage" {
				cfg.Timeout = time.Second // which passes
			}
			err = publish(t, open(t, cfg), message("orders", "k"))
			switch tt.want {
			case "ok":
				must(t, err)
			case "outage":
				wantOutage(t, err)
			case "rejection":
				wantRejection(t, err)
			}
		})
	}
}

// refuse answers every partition of a produce request with an error code.
func refuse(t *testing.T, request kmsg.Request, code int16) kmsg.Response {
	t.Helper()
	req, asked := request.(*kmsg.ProduceRequest)
	resp, answered := request.ResponseKind().(*kmsg.ProduceResponse)
	if !asked || !answered {
		t.Errorf("%T is no produce request", request)
		return request.ResponseKind()
	}
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func TestPublishDoesNotOutliveItsContext(t *testing.T) {
	cfg := config("127.0.0.1:1") // nobody listens there
	cfg.Window, cfg.Timeout = 1, time.Second
	b := open(t, cfg)
	first := begin(t, b, message("t", "k")) // fills the window
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	outcome := make(chan error, 1)
	b.Publish(ctx, message("t", "k"), func(err error) { outcome <- err })
	wantOutage(t, await(t, outcome))
	wantOutage(t, await(t, first))
	if b.Status() == nil {
		t.Error("status is fine with no broker")
	}
}

func TestCloseReportsWhatIsInFlight(t *testing.T) {
	brokers := rig.Kafka(t)
	topic := newTopic(t, brokers, 4)
	ignore := goleak.IgnoreCurrent()
	b := open(t, config(brokers))
	var outcomes []<-chan error
	for i := range 2000 {
		outcomes = append(outcomes, begin(t, b, message(topic, keyOf(i))))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(t, b.Close(ctx))
	accepted := 0
	for _, o := range outcomes {
		if err := await(t, o); err == nil {
			accepted++
		} else if outbox.IsRejection(err) {
			t.Errorf("%v: closing refuses nothing", err)
		}
		select {
		case err := <-o:
			t.Fatalf("done was called twice, with %v", err)
		default:
		}
	}
	wantOutage(t, publish(t, b, message(topic, "late")))
	must(t, b.Close(ctx))
	goleak.VerifyNone(t, ignore)
	tp := listen(t, brokers, topic)
	for range accepted { // what was reported as accepted is there
		tp.next()
	}
}

func TestSASL(t *testing.T) {
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(),
				kfake.Superuser(strings.ToUpper(mechanism), "svc", "right"))
			must(t, err)
			t.Cleanup(cluster.Close)
			cfg := config(strings.Join(cluster.ListenAddrs(), ","))
			cfg.SASL, cfg.User, cfg.Password = mechanism, "svc", "right"
			must(t, publish(t, open(t, cfg), message("orders", "k")))
			cfg.Password, cfg.Timeout = "wrong", time.Second
			wantOutage(t, publish(t, open(t, cfg), message("orders", "k")))
		})
	}
}
