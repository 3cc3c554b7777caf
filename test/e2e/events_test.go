package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"github.com/svcgen/svcgen/test/rig"
)

// TestEvents starts each example as its README says, calls it, and looks at the broker: the event is there, with its
// key and its CloudEvents attributes.
func TestEvents(t *testing.T) {
	type delivery struct {
		prefix string // of CloudEvents headers
		extra  map[string]string
	}
	kafka := delivery{"ce_", map[string]string{"content-type": "application/protobuf"}}
	rabbit := func(eventType, app string) delivery {
		return delivery{"cloudEvents_", map[string]string{
			"content-type": "application/protobuf", "routing key": eventType, "type": eventType, "app": app, "delivery mode": "persistent",
		}}
	}
	tests := []struct {
		example, topic  string
		method, request string // the key is k-1
		eventType       string
		as              delivery
		servers         func(t *testing.T, e *example) (env []string, p *sink)
	}{
		{
			"orders", "orders", "OrderService/PlaceOrder", `{"orderId":"k-1","customerId":"c-1"}`,
			"acme.orders.v1.OrderPlaced", kafka,
			func(t *testing.T, e *example) ([]string, *sink) {
				brokers := rig.Kafka(t)
				return e.Env("DATABASE_URL="+rig.Postgres(t), "KAFKA_BROKERS="+brokers), tapKafka(t, e, brokers, e.topic("orders"))
			},
		},
		{
			"payments", "payments", "PaymentService/CapturePayment", `{"orderId":"k-1","amount":{"currency":"EUR","units":"1200"}}`,
			"acme.payments.v1.PaymentCaptured", rabbit("acme.payments.v1.PaymentCaptured", "/svc/payments"),
			func(t *testing.T, e *example) ([]string, *sink) {
				broker := rig.RabbitMQ(t)
				return e.Env("DATABASE_URL="+rig.Postgres(t), "RABBITMQ_URL="+broker), tapRabbitMQ(t, e, broker, e.topic("payments"))
			},
		},
		{
			"inventory", "inventory", "ReserveStock", `{"sku":"k-1","quantity":3}`,
			"acme.inventory.v1.StockReserved", rabbit("acme.inventory.v1.StockReserved", "/svc/inventory"),
			func(t *testing.T, e *example) ([]string, *sink) {
				broker := rig.RabbitMQ(t)
				return e.Env("DATABASE_URL="+rig.MySQL(t), "RABBITMQ_URL="+broker), tapRabbitMQ(t, e, broker, e.topic("inventory"))
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.example, func(t *testing.T) {
			e := built(t, tt.example)
			env, tap := tt.servers(t, e)
			e.command(t, env, "migrate")
			r := e.start(t, env).ready(t)
			e.command(t, env, "call", tt.method, tt.request, "--grpc-addr", r.Conn.Target())
			got := tap.await(t, "k-1")

			want := map[string]string{
				"specversion": "1.0", "type": tt.eventType, "source": "/svc/" + tt.example, "subject": "k-1", "partitionkey": "k-1",
			}
			for name, value := range want {
				if h := got.Headers[tt.as.prefix+name]; h != value {
					t.Errorf("%s%s is %q, want %q", tt.as.prefix, name, h, value)
				}
			}
			for name, value := range tt.as.extra {
				if h := got.Headers[name]; h != value {
					t.Errorf("%s is %q, want %q", name, h, value)
				}
			}
			if id, err := uuid.Parse(got.Headers[tt.as.prefix+"id"]); err != nil || id.Version() != 7 {
				t.Errorf("id %q is no UUIDv7: %v", got.Headers[tt.as.prefix+"id"], err)
			}
			if _, err := time.Parse(time.RFC3339Nano, got.Headers[tt.as.prefix+"time"]); err != nil {
				t.Errorf("time: %v", err)
			}
			if _, err := e.Decode(tt.eventType, got.Body); err != nil {
				t.Errorf("payload: %v", err)
			}
			r.drained(t)
			r.stop(t)
		})
	}
}

// TestConsumes proves that one service takes in what another publishes, and that nothing has to be prepared for it.
func TestConsumes(t *testing.T) {
	payments, inventory := built(t, "payments"), built(t, "inventory")
	broker := rig.RabbitMQ(t)
	paying := payments.Env("DATABASE_URL="+rig.Postgres(t), "RABBITMQ_URL="+broker)
	stocking := inventory.Env("DATABASE_URL="+rig.MySQL(t), "RABBITMQ_URL="+broker)
	payments.command(t, paying, "migrate")
	inventory.command(t, stocking, "migrate")
	consumer := inventory.start(t, stocking).ready(t)
	// The consumer's queue gathers events from when it is there; broker status is not good before.
	eventually(t, patience, "inventory has subscribed", func(ctx context.Context) error {
		s, err := consumer.Status(ctx)
		if err == nil && !s.Broker.Connected {
			err = errors.New("not connected")
		}
		return err
	})
	producer := payments.start(t, paying).ready(t)
	if err := capturePayment(t.Context(), producer, "o-1", 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "inventory takes the event", func(context.Context) error {
		if consumer.Log.Find("event", `"type":"acme.payments.v1.PaymentCaptured"`) == nil {
			return fmt.Errorf("it logs none")
		}
		return nil
	})
	producer.stop(t)
	consumer.stop(t)
}

// TestOwnTests runs the tests that are emitted with each example, on real servers.
func TestOwnTests(t *testing.T) {
	postgres := func(t *testing.T) string { return rig.Postgres(t) }
	for _, tt := range []struct {
		example  string
		database func(*testing.T) string
		broker   func(*testing.T) string
	}{
		{"orders", postgres, func(t *testing.T) string { return "TEST_KAFKA_BROKERS=" + rig.Kafka(t) }},
		{"payments", postgres, func(t *testing.T) string { return "TEST_RABBITMQ_URL=" + rig.RabbitMQ(t) }},
		{"inventory", mysqlURL, func(t *testing.T) string { return "TEST_RABBITMQ_URL=" + rig.RabbitMQ(t) }},
	} {
		t.Run(tt.example, func(t *testing.T) {
			e := built(t, tt.example)
			env := []string{"TEST_DATABASE_URL=" + tt.database(t), tt.broker(t)}
			if err := e.Go(t.Context(), env, "test", "-count=1", "./..."); err != nil {
				t.Error(err)
			}
		})
	}
}

// mysqlURL is the database as a URL, which is how people write it.
func mysqlURL(t *testing.T) string {
	cfg, err := mysql.ParseDSN(rig.MySQL(t))
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "mysql", User: url.UserPassword(cfg.User, cfg.Passwd), Host: cfg.Addr, Path: "/" + cfg.DBName}
	return u.String()
}
