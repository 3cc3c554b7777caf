// Package earlier is a service that an earlier svcgen emitted, and what a person then did to it. Tests unpack it and
// bring it up to date; README.md says where it is from.
package earlier

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

//go:embed orders.tar.gz
var orders []byte

// Unpack writes the tree to dir, as it was emitted.
func Unpack(dir string) error {
	packed, err := gzip.NewReader(bytes.NewReader(orders))
	if err != nil {
		return err
	}
	for files := tar.NewReader(packed); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(name, 0o755); err != nil {
				return err
			}
			continue
		}
		text, err := io.ReadAll(files)
		if err == nil {
			err = os.WriteFile(name, text, head.FileInfo().Mode().Perm())
		}
		if err != nil {
			return err
		}
	}
}

// Edit is one thing a person did: replaced Old in File by New, or, without Old, made the file.
type Edit struct{ File, Old, New string }

// Edits are what somebody does in the first weeks of a service.
func Edits() []Edit {
	return []Edit{
		{
			"internal/orders/place_order.go", "func (s *OrderService) PlaceOrder(ctx context.Context, req *ordersv1.PlaceOrderRequest)",
			"func (svc *OrderService) PlaceOrder(ctx context.Context,  in *ordersv1.PlaceOrderRequest)",
		},
		{"internal/orders/place_order.go", "err := s.db.InTx(", "if err := known(in.GetCustomerId()); err != nil {\n\t\treturn nil, err\n\t}\n\terr := svc.db.InTx("},
		{
			"internal/orders/place_order.go", "\t\t// Write your rows here with tx. The events below leave if, and only if, the transaction commits.\n\t\treturn s.events",
			"\t\tif _, err := tx.Exec(ctx, `INSERT INTO orders (id, placed) VALUES ($1, $2)`, in.GetOrderId(), svc.now()); err != nil {\n\t\t\treturn err\n\t\t}\n\t\treturn svc.events",
		},
		{"internal/orders/place_order.go", "OrderId:    req.", "OrderId:    in."},
		{"internal/orders/place_order.go", "CustomerId: req.", "CustomerId: in."},
		{"internal/orders/place_order.go", "Items:      req.", "Items:      in."},
		{
			"internal/orders/customers.go", "",
			"package orders\r\n\r\nimport (\r\n\t\"golang.org/x/text/cases\"\r\n\t\"golang.org/x/text/language\"\r\n\t\"google.golang.org/grpc/codes\"\r\n\t\"google.golang.org/grpc/status\"\r\n)\r\n\r\n" +
				"// known is not gofmt-ed, and has the line endings of its author's editor.\r\nfunc known( id string ) error {\r\n\tif cases.Lower(language.Und).String(id)==\"\" { return status.Error(codes.InvalidArgument,\"whose order?\") }\r\n\treturn nil\r\n}\r\n",
		},
		{"internal/orders/queries.go", "", queries},
		{"internal/orders/order_service.go", "\tevents *events.Events\n", "\tevents *events.Events\n\tnow    func() time.Time\n"},
		{"internal/orders/order_service.go", "events: d.Events}", "events: d.Events, now: d.Now}"},
		{"internal/orders/order_service.go", "import (\n", "import (\n\t\"time\"\n\n"},
		{"internal/orders/deps.go", "\tEvents *events.Events\n", "\tEvents *events.Events\n\tNow    func() time.Time // the clock\n"},
		{"internal/orders/deps.go", "import (\n", "import (\n\t\"time\"\n\n"},
		{"internal/orders/deps_test.go", "Events: kit.Events}", "Events: kit.Events, Now: time.Now}"},
		{"internal/orders/deps_test.go", "\t\"testing\"\n", "\t\"testing\"\n\t\"time\"\n"},
		{"cmd/orders/main.go", "Events: rt.Events}", "Events: rt.Events, Now: time.Now}"},
		{"cmd/orders/main.go", "\t\"os\"\n", "\t\"os\"\n\t\"time\"\n"},
		{"migrations/00002_orders.sql", "", "-- +goose Up\nCREATE TABLE orders (id text PRIMARY KEY, placed timestamptz NOT NULL);\n\n-- +goose Down\nDROP TABLE orders;\n"},
		{"Dockerfile", "EXPOSE 9090 9091\n", "LABEL org.opencontainers.image.vendor=\"Acme\"\nEXPOSE 9090 9091\n"},
		{"compose.yaml", "    healthcheck:\n      test: [CMD, pg_isready", "    command: [postgres, -c, log_min_duration_statement=100]\n    healthcheck:\n      test: [CMD, pg_isready"},
		{"Makefile", "build: ## build bin/orders\n", "release: test build ## what the release job calls\n\ttar czf orders.tgz bin/orders\n\nbuild: ## build bin/orders\n"},
		{
			"go.mod", "\tgoogle.golang.org/genproto/googleapis/rpc ",
			"\tgolang.org/x/text v0.43.0 // names of customers\n\tgoogle.golang.org/genproto/googleapis/rpc ",
		},
		{"go.mod", "\tgolang.org/x/text v0.43.0 // indirect\n", ""},
		{"README.md", "# orders\n", "# Orders of Acme\n\nAsk #team-orders before you touch it.\n"},
		{"README.md", "## Configuration\n", "## On call\n\nThe pager is with team-orders; the runbook is in the wiki.\n\n## Configuration\n"},
		{".env.example", "# PostgreSQL\n", "# the staging key of the payment provider\nPAYMENT_KEY=\n\n# PostgreSQL\n"},
		{"deploy/deployment.yaml", "  replicas: 2\n", "  replicas: 6 # three zones\n"},
		{".github/workflows/ci.yml", "on:\n", "env:\n  TZ: Europe/Berlin\n\non:\n"},
	}
}

// Deleted are the files somebody did without, and moved what they wanted of them elsewhere.
func Deleted() []string {
	return []string{"internal/orders/chat_test.go", "internal/orders/get_order.go", ".golangci.yml"}
}

// queries is where GetOrder went.
const queries = `package orders

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/acme/orders/gen/acme/orders/v1"
)

// GetOrder moved here, with the other reads.
func (s *OrderService) GetOrder(_ context.Context, _ *pb.GetOrderRequest) (_ *pb.GetOrderResponse, err error) {
	return nil, status.Error(codes.NotFound, "no such order")
}
`

// Work does to the tree at dir what the person did.
func Work(dir string) error {
	for _, e := range Edits() {
		name := filepath.Join(dir, filepath.FromSlash(e.File))
		if e.Old == "" {
			if err := os.WriteFile(name, []byte(e.New), 0o644); err != nil {
				return err
			}
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if strings.Count(string(text), e.Old) != 1 {
			return fmt.Errorf("%s has %q not once", e.File, e.Old)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), e.Old, e.New, 1)), 0o644); err != nil { //nolint:gosec // a test's own folder
			return err
		}
	}
	for _, name := range Deleted() {
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}
