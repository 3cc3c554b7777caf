package plan

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// reference is a small reference service: every folder the table names, and some overlays.
func reference() fstest.MapFS {
	fs := fstest.MapFS{}
	for _, name := range []string{
		"migrations/1.sql", "migrations/migrations.go", ".github/workflows/ci.yml", "deploy/network.yaml",
		"internal/gen/admin/a.go", "internal/gen/app/a.go", "internal/gen/app/services.go", "internal/gen/app/apptest/a.go",
		"internal/gen/broker/base.go", "internal/gen/broker/base_test.go", "internal/gen/broker/brokertest/suite.go",
		"internal/gen/config/a.go", "internal/gen/event/a.go", "internal/gen/outbox/a.go", "internal/gen/rpc/a.go",
		"internal/gen/store/base.go", "internal/gen/store/more.go", "internal/gen/telemetry/a.go", "internal/gen/testkit/a.go",
		"internal/gen/testkit/testbroker/a.go", "internal/gen/testkit/testdb/a.go", "internal/gen/validate/none.go",
		"variant/postgres/internal/gen/store/pg.go", "variant/postgres/internal/gen/store/pg_test.go", "variant/postgres/migrations/1.sql",
		"variant/postgres/migrations/migrations.go", "variant/validate/internal/gen/validate/validate.go",
	} {
		fs[name] = &fstest.MapFile{Data: []byte("x")}
	}
	return fs
}

func service() *ir.Service {
	v1 := ir.Import{Alias: "ordersv1", Path: "github.com/acme/orders/gen/v1", Name: "ordersv1"}
	empty := ir.Import{Alias: "emptypb", Path: "google.golang.org/protobuf/types/known/emptypb", Name: "emptypb"}
	placed := ir.Event{Proto: "v1.OrderPlaced", Func: "OrderPlaced", Message: ir.TypeRef{Import: v1, Name: "OrderPlaced"}}
	billed := ir.Event{Proto: "v1.OrderBilled", Func: "OrderBilled", Message: ir.TypeRef{Import: v1, Name: "OrderBilled"}}
	return &ir.Service{
		Name: "orders", Module: "github.com/acme/orders", Package: "orders", Database: "sqlite", Broker: "memory",
		Sources: []ir.Source{{Path: "svcgen.yaml", Content: []byte("version: 1\n")}},
		Protos:  []ir.ProtoFile{{Generate: true}},
		RPC: []ir.RPCService{{
			Type: "OrderService", GoName: "OrderService", Import: v1, File: "internal/orders/order_service.go",
			Methods: []ir.Method{
				{
					GoName: "Place", Kind: ir.Unary, Input: ir.TypeRef{Import: v1}, Output: ir.TypeRef{Import: empty},
					File: "internal/orders/place.go", TestFile: "internal/orders/place_test.go",
					Emits: []ir.Emit{{Event: placed}, {Event: billed}},
				},
				{
					GoName: "Watch", Kind: ir.BidiStream, Input: ir.TypeRef{Import: v1}, Output: ir.TypeRef{Import: v1},
					File: "internal/orders/watch.go", TestFile: "internal/orders/watch_test.go",
				},
			},
		}},
		Publishes: []ir.Event{placed, billed},
	}
}

func files(t *testing.T, s *ir.Service) map[string]File {
	t.Helper()
	list, err := Files(s, Options{Version: "v1.0.0", Reference: reference()})
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]File{}
	for _, f := range list {
		byPath[f.Path] = f
	}
	return byPath
}

func TestOverlaysReplaceFolders(t *testing.T) {
	s := service()
	s.Database, s.Validate = "postgres", true
	got := files(t, s)
	for path, from := range map[string]string{
		"internal/gen/store/pg.go":          "variant/postgres/internal/gen/store/pg.go",
		"internal/gen/store/base.go":        "",
		"internal/gen/store/more.go":        "",
		"internal/gen/store/pg_test.go":     "",
		"internal/gen/broker/base.go":       "internal/gen/broker/base.go",
		"internal/gen/broker/base_test.go":  "",
		"internal/gen/validate/validate.go": "variant/validate/internal/gen/validate/validate.go",
		"internal/gen/validate/none.go":     "",
		"migrations/1.sql":                  "variant/postgres/migrations/1.sql",
	} {
		if got[path].From != from {
			t.Errorf("%s is made from %q, want %q", path, got[path].From, from)
		}
	}
	if v := got["migrations/1.sql"].Variant; v != "postgres" {
		t.Errorf("the migration is of variant %q", v)
	}
}

func TestNoOverlayIsAnError(t *testing.T) {
	s := service()
	s.Broker = "pigeon"
	_, err := Files(s, Options{Reference: reference()})
	if err == nil || !strings.Contains(err.Error(), "no templates for pigeon") {
		t.Errorf("error is %v", err)
	}
}

func TestUserFiles(t *testing.T) {
	got := files(t, service())
	place := got["internal/orders/place.go"]
	if place.From != "method_unary_emits.go.tmpl" || place.Owner != fileset.User ||
		place.Decl != (fileset.Decl{Package: "orders", Type: "OrderService", Method: "Place"}) {
		t.Errorf("place.go is planned as %+v", place)
	}
	if len(place.Data.First) != 1 || place.Data.Last.Event.Func != "OrderBilled" {
		t.Errorf("events of Place are %+v, then %+v", place.Data.First, place.Data.Last)
	}
	if len(place.Data.Imports.Local) != 1 || len(place.Data.Imports.External) != 1 {
		t.Errorf("imports of place.go are %+v", place.Data.Imports)
	}
	if from := got["internal/orders/watch_test.go"].From; from != "method_bidi_stream_test.go.tmpl" {
		t.Errorf("watch_test.go is made from %s", from)
	}
	for _, path := range []string{"internal/orders/consumers.go", "cmd/orders/consumes_test.go"} {
		if _, ok := got[path]; ok {
			t.Errorf("%s is planned, and nothing is consumed", path)
		}
	}
	if !slices.Equal(Choices(service()), []string{"choice_sqlite.tmpl", "choice_memory.tmpl", "choice_no_consumers.tmpl"}) {
		t.Errorf("choices are %v", Choices(service()))
	}
}

// TestNothingOfTheSample proves that no file that names the sample's own services or events is copied.
func TestNothingOfTheSample(t *testing.T) {
	s := service()
	s.Publishes, s.RPC = nil, nil
	got := files(t, s)
	if f := got["internal/gen/app/services.go"]; f.Source != Fragment {
		t.Errorf("services.go is planned as %+v", f)
	}
	if f, ok := got["internal/gen/events/events.go"]; ok {
		t.Errorf("events.go is planned as %+v, and nothing is published", f)
	}
}

func TestTwoFilesAtOnePath(t *testing.T) {
	s := service()
	s.Sources = append(s.Sources, ir.Source{Path: "README.md"})
	_, err := Files(s, Options{Reference: reference()})
	if err == nil || !strings.Contains(err.Error(), "two files planned at README.md") {
		t.Errorf("error is %v", err)
	}
}
