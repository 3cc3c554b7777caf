package gomod

// foreseen lists what the parts of the reference service import that are not in the tree yet, by the folder that
// will hold them. As soon as the folder is there, its own imports count and the entry is dead.
func foreseen() map[string][]string {
	return map[string][]string{
		"internal/gen/app": {
			"github.com/caarlos0/env/v11",
			"github.com/google/uuid",
			"github.com/prometheus/client_golang/prometheus",
			"github.com/prometheus/client_golang/prometheus/collectors",
			"github.com/prometheus/client_golang/prometheus/promhttp",
			"github.com/spf13/cobra",
			"go.opentelemetry.io/otel/attribute",
			"go.opentelemetry.io/otel/codes",
			"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc",
			"go.opentelemetry.io/otel/exporters/prometheus",
			"go.opentelemetry.io/otel/metric",
			"go.opentelemetry.io/otel/propagation",
			"go.opentelemetry.io/otel/sdk/metric",
			"go.opentelemetry.io/otel/sdk/resource",
			"go.opentelemetry.io/otel/sdk/trace",
			"go.opentelemetry.io/otel/trace",
			"golang.org/x/term",
			"google.golang.org/genproto/googleapis/rpc/errdetails",
			"google.golang.org/grpc",
			"google.golang.org/grpc/credentials",
			"google.golang.org/grpc/health",
			"google.golang.org/grpc/reflection",
			"google.golang.org/grpc/test/bufconn",
			"google.golang.org/protobuf/encoding/protojson",
			"google.golang.org/protobuf/types/dynamicpb",
			"go.uber.org/goleak",
		},
		"internal/gen/store": {
			"github.com/google/uuid",
			"github.com/pressly/goose/v3",
			"modernc.org/sqlite",
			"modernc.org/sqlite/lib",
		},
		"variant/postgres/internal/gen/store": {
			"github.com/google/uuid",
			"github.com/jackc/pgx/v5",
			"github.com/jackc/pgx/v5/pgxpool",
			"github.com/jackc/pgx/v5/stdlib",
			"github.com/jackc/puddle/v2",
			"github.com/pressly/goose/v3",
			"github.com/pressly/goose/v3/lock",
		},
		"variant/mysql/internal/gen/store": {
			"github.com/go-sql-driver/mysql",
			"github.com/google/uuid",
			"github.com/pressly/goose/v3",
			"github.com/pressly/goose/v3/lock",
		},
		"variant/kafka/internal/gen/broker": {
			"github.com/twmb/franz-go/pkg/kadm",
			"github.com/twmb/franz-go/pkg/kerr",
			"github.com/twmb/franz-go/pkg/kgo",
			"github.com/twmb/franz-go/pkg/kmsg",
		},
		"variant/rabbitmq/internal/gen/broker": {
			"github.com/rabbitmq/amqp091-go",
		},
	}
}
