package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
)

var errSQL = errors.New(`pq: duplicate key "users_email_key" secret`)

// TestErrors sends each error through a unary call and through a stream: what the client sees, and what the log
// keeps for the operator.
func TestErrors(t *testing.T) {
	tests := []struct {
		name   string
		fail   func() error
		code   codes.Code
		client string // the whole message; ID stands for the request id
		log    string // must be in the log
	}{
		{"a status passes", func() error { return status.Error(codes.NotFound, "no such note") }, codes.NotFound, "no such note", "no such note"},
		{
			"a wrapped status passes without the wrapping",
			func() error { return fmt.Errorf("query %w: %w", errSQL, status.Error(codes.NotFound, "no such note")) },
			codes.NotFound, "no such note", "users_email_key",
		},
		{"anything else is hidden", func() error { return errSQL }, codes.Internal, "internal error (request ID)", "users_email_key"},
		{"a panic is hidden", func() error { panic("secret state") }, codes.Internal, "internal error (request ID)", "secret state"},
		{
			"a panic with a status is a panic",
			func() error { panic(status.Error(codes.NotFound, "secret")) }, codes.Internal, "internal error (request ID)", "panic:",
		},
		{
			"an error that claims to be none", func() error { return okError{} }, codes.Internal, "internal error (request ID)", "claims",
		},
		{"deadline", func() error { return fmt.Errorf("%w: secret", context.DeadlineExceeded) }, codes.DeadlineExceeded, "deadline exceeded", "secret"},
		{"cancelled", func() error { return fmt.Errorf("%w: secret", context.Canceled) }, codes.Canceled, "cancelled", "secret"},
		{"classified", func() error { return errBackend }, codes.Unavailable, "try again (request ID)", "10.0.0.7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log logBuffer
			opts := Options{
				Log:   telemetry.NewLogger(&log, slog.LevelInfo, false, RequestID),
				NewID: func() string { return "ID" },
				Classify: func(err error) (codes.Code, string) {
					if errors.Is(err, errBackend) {
						return codes.Unavailable, "try again"
					}
					return codes.OK, ""
				},
			}
			_, client, _ := start(t, testConfig(), opts, &notes{
				get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
					return nil, tt.fail()
				},
				watch: func(*samplev1.WatchNotesRequest, grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
					return tt.fail()
				},
			})
			check := func(kind string, err error) {
				t.Helper()
				st := status.Convert(err)
				if st.Code() != tt.code || st.Message() != tt.client {
					t.Errorf("%s: %v %q, want %v %q", kind, st.Code(), st.Message(), tt.code, tt.client)
				}
			}
			_, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{})
			check("unary", err)
			stream, err := client.WatchNotes(t.Context(), &samplev1.WatchNotesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			check("stream", err)
			if n := strings.Count(log.String(), tt.log); n < 2 {
				t.Errorf("%q is %d times in the log, want one for each call:\n%s", tt.log, n, log.String())
			}
			if strings.Count(log.String(), `"request_id":"ID"`) != 2 {
				t.Errorf("no request id in the log:\n%s", log.String())
			}
		})
	}
}

var errBackend = errors.New("dial tcp 10.0.0.7:5432")

type okError struct{}

func (okError) Error() string              { return "claims to be no error" }
func (okError) GRPCStatus() *status.Status { return status.New(codes.OK, "") }

func TestPanicStackIsLogged(t *testing.T) {
	var log logBuffer
	_, client, _ := start(t, testConfig(), Options{Log: telemetry.NewLogger(&log, slog.LevelInfo, false, RequestID)}, &notes{
		get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
			var missing *notes
			return missing.get(nil, nil)
		},
	})
	if _, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{}); status.Code(err) != codes.Internal {
		t.Fatal(err)
	}
	for _, want := range []string{`"level":"ERROR"`, "nil pointer", "chain_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
}

func TestLogHasNoPayload(t *testing.T) {
	var log logBuffer
	_, client, _ := start(t, testConfig(), Options{Log: telemetry.NewLogger(&log, slog.LevelDebug, false, RequestID)}, &notes{
		get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
			return &samplev1.GetNoteResponse{Text: "answer-text"}, nil
		},
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer token-text")
	if _, err := client.GetNote(ctx, &samplev1.GetNoteRequest{NoteId: "request-text"}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"answer-text", "request-text", "token-text"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, log.String())
		}
	}
}

func TestRequestID(t *testing.T) {
	tests := []struct {
		name string
		sent []string
		want string
	}{
		{"none", nil, "made"},
		{"sound", []string{"abc-123_x.Y:z"}, "abc-123_x.Y:z"},
		{"empty", []string{""}, "made"},
		{"too long", []string{strings.Repeat("x", 65)}, "made"},
		{"as long as may be", []string{strings.Repeat("x", 64)}, strings.Repeat("x", 64)},
		{"a space", []string{"a b"}, "made"},
		{"markup", []string{"<script>"}, "made"},
		{"two", []string{"a", "b"}, "made"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen string
			_, client, _ := start(t, testConfig(), Options{NewID: func() string { return "made" }}, &notes{
				get: func(ctx context.Context, _ *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
					seen = RequestID(ctx)
					return &samplev1.GetNoteResponse{}, nil
				},
			})
			ctx := t.Context()
			if len(tt.sent) > 0 {
				ctx = metadata.NewOutgoingContext(ctx, metadata.MD{"x-request-id": tt.sent})
			}
			var header metadata.MD
			if _, err := client.GetNote(ctx, &samplev1.GetNoteRequest{}, grpc.Header(&header)); err != nil {
				t.Fatal(err)
			}
			if got := header.Get("x-request-id"); len(got) != 1 || got[0] != tt.want || seen != tt.want {
				t.Errorf("answered %v, handler saw %q, want %q", got, seen, tt.want)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	left := func(ctx context.Context) time.Duration {
		deadline, ok := ctx.Deadline()
		if !ok {
			return 0
		}
		return time.Until(deadline)
	}
	tests := []struct {
		name     string
		client   time.Duration
		min, max time.Duration // what a unary handler has left
	}{
		{"none sent", 0, 31 * time.Second, time.Minute},
		{"a shorter one", 30 * time.Second, time.Second, 30 * time.Second},
		{"a longer one", time.Hour, 2 * time.Minute, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Timeout = time.Minute
			var unary, stream time.Duration
			_, client, _ := start(t, cfg, Options{}, &notes{
				get: func(ctx context.Context, _ *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
					unary = left(ctx)
					return &samplev1.GetNoteResponse{}, nil
				},
				watch: func(_ *samplev1.WatchNotesRequest, s grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
					stream = left(s.Context())
					return s.Send(&samplev1.WatchNotesResponse{})
				},
			})
			ctx := t.Context()
			if tt.client > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.client)
				defer cancel()
			}
			if _, err := client.GetNote(ctx, &samplev1.GetNoteRequest{}); err != nil {
				t.Fatal(err)
			}
			if unary < tt.min || unary > tt.max {
				t.Errorf("the handler has %v, want %v to %v", unary, tt.min, tt.max)
			}
			s, err := client.WatchNotes(ctx, &samplev1.WatchNotesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
			if tt.client == 0 && stream != 0 {
				t.Errorf("a stream has a deadline of %v nobody asked for", stream)
			}
		})
	}
}

// TestOverload fills the server, and asks for more: calls are refused at once, health and streams are not.
func TestOverload(t *testing.T) {
	cfg := testConfig()
	cfg.MaxInFlight, cfg.MaxStreams = 2, 1
	busy, release := make(chan struct{}), make(chan struct{})
	s, client, conn := start(t, cfg, Options{}, &notes{
		get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
			busy <- struct{}{}
			<-release
			return &samplev1.GetNoteResponse{}, nil
		},
		watch: func(_ *samplev1.WatchNotesRequest, s grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
			if err := s.Send(&samplev1.WatchNotesResponse{}); err != nil {
				return err
			}
			<-release
			return nil
		},
	})
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{})
			done <- err
		}()
		<-busy
	}
	refused := func(what string, err error) {
		t.Helper()
		st := status.Convert(err)
		var retry *errdetails.RetryInfo
		for _, d := range st.Details() {
			if r, ok := d.(*errdetails.RetryInfo); ok {
				retry = r
			}
		}
		if st.Code() != codes.ResourceExhausted || retry.GetRetryDelay().AsDuration() <= 0 {
			t.Errorf("%s: %v with %v, want RESOURCE_EXHAUSTED with RetryInfo", what, err, retry)
		}
	}
	_, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{})
	refused("third call", err)
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health of a full server: %v", err)
	}
	watch := func() error {
		s, err := client.WatchNotes(t.Context(), &samplev1.WatchNotesRequest{})
		if err != nil {
			return err
		}
		_, err = s.Recv()
		return err
	}
	if err := watch(); err != nil {
		t.Errorf("a stream beside a full set of unary calls: %v", err)
	}
	refused("second stream", watch())
	if calls, streams := s.InFlight(); calls != 2 || streams != 1 {
		t.Errorf("%d calls and %d streams in flight, want 2 and 1", calls, streams)
	}
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("admitted call: %v", err)
		}
	}
}

func TestValidate(t *testing.T) {
	opts := Options{Validate: func(m proto.Message) error {
		if w, ok := m.(*samplev1.WatchNotesRequest); ok && w.GetPrefix() == "" {
			return errors.New("prefix: must not be empty")
		}
		if g, ok := m.(*samplev1.GetNoteRequest); ok && g.GetNoteId() == "" {
			return errors.New("note_id: must not be empty")
		}
		return nil
	}}
	_, client, _ := start(t, testConfig(), opts, &notes{
		get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
			return &samplev1.GetNoteResponse{}, nil
		},
		watch: func(*samplev1.WatchNotesRequest, grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
			return nil
		},
	})
	_, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{})
	if st := status.Convert(err); st.Code() != codes.InvalidArgument || st.Message() != "note_id: must not be empty" {
		t.Errorf("unary: %v", err)
	}
	if _, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{NoteId: "n"}); err != nil {
		t.Errorf("valid request: %v", err)
	}
	s, err := client.WatchNotes(t.Context(), &samplev1.WatchNotesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("stream: %v", err)
	}
}

// TestStreamTimeout opens a stream on which the client says nothing, and one on which it reads nothing: a handler that
// waits for it must not stay for ever.
func TestStreamTimeout(t *testing.T) {
	tests := map[string]func(s grpc.ServerStream) error{
		"receives": func(s grpc.ServerStream) error { return s.RecvMsg(&samplev1.ChatRequest{}) },
		"sends": func(s grpc.ServerStream) error {
			for text := strings.Repeat("x", 1<<20); ; {
				if err := s.SendMsg(&samplev1.ChatResponse{Text: text}); err != nil {
					return err
				}
			}
		},
	}
	for name, wait := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.StreamTimeout = 50 * time.Millisecond
			ended := make(chan error, 1)
			_, _, conn := start(t, cfg, Options{Extra: []grpc.ServerOption{grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
				err := wait(s)
				ended <- err
				return err
			})}}, &notes{})
			stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/t/Wait")
			if err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the handler was told %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the handler waits on")
			}
			for err = nil; err == nil; { // what was sent in time is still there
				err = stream.RecvMsg(&samplev1.ChatResponse{})
			}
			if status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("the client was told %v", err)
			}
		})
	}
}
