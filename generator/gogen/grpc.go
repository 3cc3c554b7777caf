package gogen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/templates/fragment"
)

const (
	grpcTemplate = "grpc.go.tmpl"
	grpcVersion  = "v1.6.2" // of protoc-gen-go-grpc, whose API the stubs have; tools/go.mod pins it for the tests

	contextPackage = protogen.GoImportPath("context")
	grpcPackage    = protogen.GoImportPath("google.golang.org/grpc")
	codesPackage   = protogen.GoImportPath("google.golang.org/grpc/codes")
	statusPackage  = protogen.GoImportPath("google.golang.org/grpc/status")

	deprecated = "// Deprecated: Do not use.\n"
)

// Field numbers in google.protobuf.FileDescriptorProto of the statements whose comments open a source file.
const (
	packageField = 2
	syntaxField  = 12
)

// stubPrinter prints gRPC stubs. It is safe for concurrent use.
type stubPrinter struct{ tmpl *template.Template }

func newStubPrinter() (*stubPrinter, error) {
	p := &stubPrinter{tmpl: template.New(grpcTemplate).Option("missingkey=error")}
	p.tmpl.Funcs(template.FuncMap{"include": p.include})
	if _, err := p.tmpl.ParseFS(fragment.FS, grpcTemplate); err != nil {
		return nil, fmt.Errorf("parse the fragment of gRPC stubs: %w", err)
	}
	return p, nil
}

// include executes the template called name: the kind of a method is chosen by data, not by a branch.
func (p *stubPrinter) include(name string, data any) (string, error) {
	var b strings.Builder
	err := p.tmpl.ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// print returns the stubs of f's services, in one file; there is none without services.
func (p *stubPrinter) print(plugin *protogen.Plugin, f *protogen.File) ([]File, error) {
	if len(f.Services) == 0 {
		return nil, nil
	}
	own := *plugin
	g := own.NewGeneratedFile(f.GeneratedFilenamePrefix+grpcSuffix, f.GoImportPath)
	if err := p.tmpl.ExecuteTemplate(g, grpcTemplate, newStubs(g, f)); err != nil {
		return nil, fmt.Errorf("print gRPC stubs: %w", err)
	}
	return formatted(&own)
}

// stubs is what the fragment prints for one proto file.
type stubs struct {
	aliases
	SyntaxComments  string
	PackageComments string
	PluginVersion   string
	Source          string
	Package         string
	Services        []*stubService
}

// aliases are the names that the file imports its packages by.
type aliases struct{ Context, GRPC, Codes, Status string }

type stubService struct {
	aliases
	Name         string
	FullName     string // quoted
	Metadata     string // the proto's path, quoted
	Doc          string // what follows the first lines of the comments on both interfaces
	Deprecated   string // a comment line, or empty
	Client       string
	ClientStruct string
	Server       string
	Desc         string
	Methods      []*stubMethod
	Names        [][]*stubMethod // all methods as one block, or none
	Unary        []*stubMethod
	Streams      []*stubMethod
}

type stubMethod struct {
	aliases
	Service, Client, ClientStruct, Server, Desc string // of its service

	Name            string
	ProtoName       string // quoted
	FullName        string // quoted
	FullNameConst   string
	Doc             string
	Deprecated      string
	Input, Output   string // Go types
	ClientSignature string
	ServerSignature string
	ClientStream    string // the stream's type in a client, for a streaming method
	ServerStream    string
	ClientTemplate  string
	ServerTemplate  string
	StreamIndex     int
	Sides           []string // fields of grpc.StreamDesc that are true
	NilResult       string   // what Unimplemented returns before its error
	Handler         string
}

func newStubs(g *protogen.GeneratedFile, f *protogen.File) *stubs {
	// protogen numbers aliases that clash in the order of their first use, so every name is qualified in
	// protoc-gen-go-grpc's order.
	s := &stubs{
		SyntaxComments:  leadingComments(f, syntaxField),
		PackageComments: leadingComments(f, packageField),
		PluginVersion:   grpcVersion,
		Source:          "source: " + f.Desc.Path(),
		Package:         string(f.GoPackageName),
	}
	if f.Proto.GetOptions().GetDeprecated() {
		s.Source = f.Desc.Path() + " is a deprecated file."
	}
	s.GRPC = alias(g, grpcPackage)
	for _, service := range f.Services {
		s.Services = append(s.Services, newStubService(g, f, service, &s.aliases))
	}
	return s
}

func newStubService(g *protogen.GeneratedFile, f *protogen.File, service *protogen.Service, names *aliases) *stubService {
	s := &stubService{
		Name:         service.GoName,
		FullName:     strconv.Quote(string(service.Desc.FullName())),
		Metadata:     strconv.Quote(f.Desc.Path()),
		Client:       service.GoName + "Client",
		ClientStruct: strings.ToLower(service.GoName[:1]) + service.GoName[1:] + "Client",
		Server:       service.GoName + "Server",
		Desc:         service.GoName + "_ServiceDesc",
	}
	if comment := service.Comments.Leading; comment != "" {
		s.Doc = "//\n" + strings.TrimSpace(comment.String()) + "\n"
	}
	if options, ok := service.Desc.Options().(*descriptorpb.ServiceOptions); ok && options.GetDeprecated() {
		s.Deprecated = deprecated
		s.Doc += "//\n" + deprecated
	}
	for _, method := range service.Methods {
		names.Context = alias(g, contextPackage)
		m := newStubMethod(g, s, method, *names)
		s.Methods = append(s.Methods, m)
		if len(m.Sides) == 0 {
			s.Unary = append(s.Unary, m)
			continue
		}
		m.StreamIndex = len(s.Streams)
		s.Streams = append(s.Streams, m)
	}
	if len(s.Methods) > 0 {
		s.Names = [][]*stubMethod{s.Methods}
		names.Status = alias(g, statusPackage)
		names.Codes = alias(g, codesPackage)
	}
	s.aliases = *names
	for _, m := range s.Methods {
		m.aliases = *names
	}
	return s
}

func newStubMethod(g *protogen.GeneratedFile, s *stubService, method *protogen.Method, names aliases) *stubMethod {
	m := &stubMethod{
		Service:       s.Name,
		Client:        s.Client,
		ClientStruct:  s.ClientStruct,
		Server:        s.Server,
		Desc:          s.Desc,
		Name:          method.GoName,
		ProtoName:     strconv.Quote(string(method.Desc.Name())),
		FullName:      strconv.Quote(fmt.Sprintf("/%s/%s", method.Desc.Parent().FullName(), method.Desc.Name())),
		FullNameConst: s.Name + "_" + method.GoName + "_FullMethodName",
		Input:         g.QualifiedGoIdent(method.Input.GoIdent),
		Output:        g.QualifiedGoIdent(method.Output.GoIdent),
		Handler:       "_" + s.Name + "_" + method.GoName + "_Handler",
	}
	if options, ok := method.Desc.Options().(*descriptorpb.MethodOptions); ok && options.GetDeprecated() {
		m.Deprecated = deprecated
	}
	m.Doc = m.Deprecated + method.Comments.Leading.String()
	m.setKind(method.Desc, names)
	return m
}

// setKind sets what depends on which sides stream.
func (m *stubMethod) setKind(desc protoreflect.MethodDescriptor, n aliases) {
	const unary, oneRequest, manyRequests = "unary", "stream, one request", "stream, many requests"
	kind := unary
	request, stream := ", in *"+m.Input, ""
	switch {
	case desc.IsStreamingClient() && desc.IsStreamingServer():
		kind, request, stream = manyRequests, "", "BidiStreaming%s["+m.Input+", "+m.Output+"]"
		m.Sides = []string{"ServerStreams", "ClientStreams"}
	case desc.IsStreamingClient():
		kind, request, stream = manyRequests, "", "ClientStreaming%s["+m.Input+", "+m.Output+"]"
		m.Sides = []string{"ClientStreams"}
	case desc.IsStreamingServer():
		kind, stream = oneRequest, "ServerStreaming%s["+m.Output+"]"
		m.Sides = []string{"ServerStreams"}
	}
	m.ClientTemplate, m.ServerTemplate = "client of "+kind, "server of "+kind

	result := "*" + m.Output
	if kind == unary {
		m.NilResult = "nil, "
		m.ServerSignature = fmt.Sprintf("%s(%s.Context, *%s) (*%s, error)", m.Name, n.Context, m.Input, m.Output)
	} else {
		m.ClientStream = n.GRPC + "." + fmt.Sprintf(stream, "Client")
		m.ServerStream = n.GRPC + "." + fmt.Sprintf(stream, "Server")
		result = m.ClientStream
		m.ServerSignature = m.Name + "(" + m.ServerStream + ") error"
	}
	if kind == oneRequest {
		m.ServerSignature = fmt.Sprintf("%s(*%s, %s) error", m.Name, m.Input, m.ServerStream)
	}
	m.ClientSignature = fmt.Sprintf("%s(ctx %s.Context%s, opts ...%s.CallOption) (%s, error)",
		m.Name, n.Context, request, n.GRPC, result)
}

// alias returns the name by which g imports a package.
func alias(g *protogen.GeneratedFile, path protogen.GoImportPath) string {
	name, _, _ := strings.Cut(g.QualifiedGoIdent(path.Ident("X")), ".")
	return name
}

// leadingComments returns the comments before a statement of f, each followed by an empty line.
func leadingComments(f *protogen.File, field int32) string {
	var b strings.Builder
	location := f.Desc.SourceLocations().ByPath(protoreflect.SourcePath{field})
	for _, comment := range slices.Concat(location.LeadingDetachedComments, []string{location.LeadingComments}) {
		if comment != "" {
			b.WriteString(protogen.Comments(comment).String() + "\n")
		}
	}
	return b.String()
}
