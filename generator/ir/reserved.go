package ir

import (
	"path"

	"github.com/svcgen/svcgen/generator/naming"
)

// reservedImports are the names that emitted files use themselves: the packages they import, their variables, and what the
// packages declare that import messages or the user's package. No import of messages is ever called so, in whichever file
// it stands. They are lower case, as is every alias.
func reservedImports() []string {
	return []string{
		// packages
		"admin", "app", "apptest", "atomic", "broker", "bufconn", "bytes", "cmp", "cobra", "codes", "config", "context", "credentials",
		"embed", "env", "errdetails", "errors", "event", "events", "fmt", "fs", "goleak", "grpc", "health", "hex", "http",
		"inbox", "insecure", "io", "json", "maps", "metadata", "migrations", "net", "os", "otel", "outbox", "peer", "proto",
		"protocmp", "protojson", "protoreflect", "protovalidate", "reflect", "reflection", "rpc", "signal", "slices", "slog",
		"sort", "sql", "status", "store", "strconv", "strings", "sync", "telemetry", "testing", "testkit", "time", "unsafe", "uuid",
		"protoimpl", "pgx", "trace", "metric", "attribute", "migrate", "version",
		// variables, parameters and functions
		"c", "cancel", "cc", "client", "conn", "ctx", "d", "db", "deps", "dial", "e", "err", "ev", "fn", "got", "i", "in", "key",
		"lis", "main", "m", "msg", "name", "ok", "opts", "out", "payload", "r", "reg", "req", "res", "resp", "rt", "run", "s", "server",
		"srv", "start", "stream", "svc", "t", "tests", "tt", "tx", "v", "want", "x",
		// declarations of internal/gen/app and cmd; a test compares
		"caller", "classify", "closer", "compact", "consume", "consumer", "consumers", "dialable", "drain", "edits",
		"explain", "group", "identity", "indented", "inlet", "interactive", "load", "message", "methods", "nearest", "readable",
		"readiness", "register", "report", "requests", "serve", "settings", "squeeze", "tail", "terminal", "unlessDone", "usagef", "watcher",
	}
}

// stubVariables are the variables and parameters in what protoc-gen-go and the fragment of gRPC stubs print.
func stubVariables() []string {
	return []string{
		"b", "c", "cc", "ctx", "dec", "err", "handler", "in", "info", "interceptor", "m", "mi", "ms", "ok", "opts", "out",
		"req", "s", "srv", "stream", "t", "v", "x",
	}
}

// userPackage is the name of the user's package: the service's name, unless emitted code imports something so called.
func userPackage(name string) string {
	pkg := naming.Package(name)
	taken := naming.NewScope(append(reservedImports(), "gen", "internal", "vendor", "testdata")...)
	if !taken.Free(pkg) {
		pkg += "svc"
	}
	return pkg
}

// userFiles gives out the files of the user's package.
type userFiles struct {
	dir   string
	files naming.Files
}

func newUserFiles(pkg string) *userFiles {
	u := &userFiles{dir: path.Join("internal", pkg)}
	for _, taken := range []string{"deps.go", "doc.go", "consumers.go", "main.go"} {
		u.files.Claim(".go", taken)
	}
	return u
}

// claim is a new file for something called base and the file of its tests. suffix tells it apart from a name
// with a meaning: for_windows becomes for_windows_method.
func (u *userFiles) claim(base, suffix string) (file, test string) {
	name := u.files.Claim(".go", naming.GoFile(base, suffix)+".go")
	return path.Join(u.dir, name), path.Join(u.dir, naming.Stem(name)+"_test.go")
}
