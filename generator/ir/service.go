// Package ir resolves a manifest and its compiled protos into one Service: every name, import path,
// file name and choice that emitted code contains is decided here, and every input error ends here.
// Templates print what it holds and decide nothing.
package ir

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/diag"
)

// Service is everything svcgen knows about the service it emits.
type Service struct {
	Name      string // manifest name, a DNS label: binary, cmd folder, metrics namespace, ce_source
	Module    string // Go module path
	Package   string // Go package name of the user's code; its folder is internal/<Package>
	EnvPrefix string // ORDERS: prefix of the service's environment variables

	Database string // sqlite | postgres | mysql: the overlay templates/service/variant/<Database>
	Broker   string // memory | kafka | rabbitmq
	Validate bool   // a served proto imports buf/validate
	VetFlags string // of the go vet that this service passes, with a space at the end; most often none

	ManifestFile string   // path of the manifest in the emitted tree, svcgen.yaml
	Sources      []Source // files to copy into the tree: manifest and protos

	Protos    []ProtoFile // every proto file of the closure in dependency order
	RPC       []RPCService
	Publishes []Event
	Consumes  []Event
}

// Source is an input file the emitted tree carries, at its place relative to the tree's root.
type Source struct {
	Path    string
	Content []byte
	Pos     diag.Pos // where the file begins on disk; the zero Pos for the manifest
}

// ProtoFile is one proto file and the Go package that holds its messages.
type ProtoFile struct {
	Path       string     // import path of the proto, acme/orders/v1/orders.proto
	Package    string     // its package clause
	Imports    []string   // import paths
	Types      []string   // its messages and enums, those that are not nested
	Services   int        // how many it declares
	Descriptor Descriptor // comments already neutralised, go_package already set to Go
	Go         GoPackage
	Generate   bool // false: a well-known Go module provides it
}

// Descriptor is a file's descriptor in the wire format, where it takes a tenth of the memory.
type Descriptor []byte

// Message is the descriptor, a new one on every call.
func (d Descriptor) Message() (*descriptorpb.FileDescriptorProto, error) {
	fd := &descriptorpb.FileDescriptorProto{}
	return fd, proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(d, fd)
}

// GoPackage is a Go package of protobuf messages.
type GoPackage struct {
	ImportPath string // github.com/acme/orders/gen/acme/orders/v1
	Name       string // ordersv1: its package clause
	Module     string // the Go module that provides it; empty for the service's own
}

// Import is one import of an emitted file. Alias is never empty and unique in its file; Name is the package clause of what
// is imported, which need not be the last element of its path.
type Import struct {
	Alias string
	Path  string
	Name  string
}

// TypeRef is a Go type as an emitted file spells it, with the import it needs.
type TypeRef struct {
	Import Import
	Name   string // PlaceOrderRequest; nested: Stop_Request
	Proto  string // full proto name
}

// String is the qualified Go name, ordersv1.PlaceOrderRequest.
func (t TypeRef) String() string { return t.Import.Alias + "." + t.Name }

// RPCService is a gRPC service served by the emitted service.
type RPCService struct {
	Proto   string // acme.orders.v1.OrderService
	GoName  string // protoc-gen-go's name: OrderService
	Type    string // the user's type, unique in the user's package; GoName unless it collides
	Import  Import // the package of its stubs
	File    string // internal/orders/order_service.go
	Methods []Method
	Pos     diag.Pos
}

// Kind of a method: unary, or which side streams.
type Kind string

// The four kinds of gRPC method.
const (
	Unary        Kind = "unary"
	ServerStream Kind = "server_stream"
	ClientStream Kind = "client_stream"
	BidiStream   Kind = "bidi_stream"
)

// Method is one RPC.
type Method struct {
	Proto    string // acme.orders.v1.OrderService.PlaceOrder
	FullName string // /acme.orders.v1.OrderService/PlaceOrder
	Call     string // OrderService/PlaceOrder, for the call command; with the package where several services have the name
	GoName   string
	Kind     Kind
	Input    TypeRef
	Output   TypeRef
	File     string      // internal/orders/place_order.go
	TestFile string      // internal/orders/place_order_test.go
	Emits    []Emit      // events its first stub publishes
	Answer   []FieldCopy // what that stub fills in of Output
	Pos      diag.Pos
}

// Emit is an event a method's stub publishes, with the fields it can fill from the request.
type Emit struct {
	Event  Event
	Fields []FieldCopy
}

// FieldCopy is GoName: Expr in a literal of an event or answer, for a field that has the same name and type in the request.
type FieldCopy struct {
	GoName string
	Expr   string // on req: req.GetOrderId(), or req.Coupon where the field is a pointer
}

// Event is a published or consumed message.
type Event struct {
	Proto    string // acme.orders.v1.OrderPlaced
	Func     string // OrderPlaced: method of events.Events; consumers: OnOrderPlaced
	Message  TypeRef
	Topic    string
	KeyExpr  string // Go expression on ev: ev.GetOrderId(), already of type string; "" (quoted) without a key
	File     string // consumers: internal/orders/on_payment_captured.go
	TestFile string
	Pos      diag.Pos

	KeyImports []string // standard packages KeyExpr needs: strconv, encoding/hex
}

// Order is what is promised of the order in which events arrive.
func (e Event) Order() string {
	if e.KeyExpr == noKey {
		return "It has no key: no order is promised among these events."
	}
	return "Events with the same key arrive in the order of their commits."
}
