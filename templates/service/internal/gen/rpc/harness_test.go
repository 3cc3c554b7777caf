package rpc

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notes is a service whose methods are set by each test.
type notes struct {
	samplev1.UnimplementedNoteServiceServer
	get    func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error)
	watch  func(*samplev1.WatchNotesRequest, grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error
	create func(context.Context, *samplev1.CreateNoteRequest) (*samplev1.CreateNoteResponse, error)
}

func (n *notes) GetNote(ctx context.Context, req *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
	return n.get(ctx, req)
}

func (n *notes) CreateNote(ctx context.Context, req *samplev1.CreateNoteRequest) (*samplev1.CreateNoteResponse, error) {
	return n.create(ctx, req)
}

func (n *notes) WatchNotes(req *samplev1.WatchNotesRequest, s grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
	return n.watch(req, s)
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testConfig() Config {
	return Config{Addr: "127.0.0.1:0", MaxRecvBytes: 4 << 20, MaxSendBytes: 4 << 20}
}

// start serves impl over a pipe until the test ends.
func start(t testing.TB, cfg Config, opts Options, impl *notes) (*Server, samplev1.NoteServiceClient, *grpc.ClientConn) {
	t.Helper()
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	samplev1.RegisterNoteServiceServer(s, impl)
	s.SetServing(false)
	lis := bufconn.Listen(1 << 20)
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	conn := connect(t, lis)
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, samplev1.NewNoteServiceClient(conn), conn
}

func connect(t testing.TB, lis *bufconn.Listener) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///pipe",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
