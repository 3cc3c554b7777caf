package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// command runs the command line and returns its exit code and both streams.
func command(ctx context.Context, env []string, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, sampleDeps, terminal{in: strings.NewReader(stdin), out: &out, err: &errs, environ: env})
	return code, out.String(), errs.String()
}

// working makes the streams of the sample do something: Import counts, Chat and WatchNotes answer.
func working(ctx context.Context, rt *Runtime) (Deps, error) {
	rt.ServerOptions(grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		switch info.FullMethod {
		case samplev1.ChatService_Import_FullMethodName:
			var n int64
			for {
				err := ss.RecvMsg(&samplev1.ImportRequest{})
				if errors.Is(err, io.EOF) {
					return ss.SendMsg(&samplev1.ImportResponse{Count: n})
				}
				if err != nil {
					return err
				}
				n++
			}
		case samplev1.ChatService_Chat_FullMethodName:
			for {
				var req samplev1.ChatRequest
				if err := ss.RecvMsg(&req); err != nil {
					return status.Error(codes.Aborted, "the room closes")
				}
				if err := ss.SendMsg(&samplev1.ChatResponse{Text: "re: " + req.GetText()}); err != nil {
					return err
				}
			}
		case samplev1.NoteService_WatchNotes_FullMethodName:
			var req samplev1.WatchNotesRequest
			if err := ss.RecvMsg(&req); err != nil {
				return err
			}
			for _, n := range []string{"1", "2"} {
				if err := ss.SendMsg(&samplev1.WatchNotesResponse{NoteId: req.GetPrefix() + n}); err != nil {
					return err
				}
			}
			return nil
		default:
			return next(srv, ss)
		}
	}))
	return sampleDeps(ctx, rt)
}

func TestCall(t *testing.T) {
	r := startService(t, nil, working)
	tests := []struct {
		name   string
		args   []string
		stdin  string
		code   int
		stdout string
		stderr string
	}{
		{"unary", []string{"NoteService/CreateNote", `{"noteId":"n-1"}`}, "", 0, "{\n  \"noteId\": \"n-1\"\n}\n", ""},
		{"full name", []string{"/sample.v1.NoteService/CreateNote", "{}"}, "", 0, "{\n  \"noteId\": \"\"\n}\n", ""},
		{"method alone, no request", []string{"CreateNote"}, "", 0, "{\n  \"noteId\": \"\"\n}\n", ""},
		{"request from stdin", []string{"CreateNote", "-"}, `{"note_id": "n-2"}`, 0, "{\n  \"noteId\": \"n-2\"\n}\n", ""},
		{"server stream", []string{"WatchNotes", `{"prefix":"n-"}`}, "", 0, "{\"noteId\":\"n-1\"}\n{\"noteId\":\"n-2\"}\n", ""},
		{"client stream", []string{"Import", "{}", "{}", "{}"}, "", 0, "{\"count\":\"3\"}\n", ""},
		{"client stream from stdin", []string{"Import", "-"}, "{} {}\n", 0, "{\"count\":\"2\"}\n", ""},
		{
			"bidi stream", []string{"Chat", `{"text":"a"}`, `{"text":"b"}`}, "", 1,
			"{\"text\":\"re: a\"}\n{\"text\":\"re: b\"}\n", "sample: ChatService.Chat: Aborted: the room closes\n",
		},
		{"status", []string{"GetNote"}, "", 1, "", "sample: NoteService.GetNote: Unimplemented: NoteService.GetNote is not implemented\n"},
		{"no method", nil, "", 2, "", "sample: expected a METHOD: NoteService/CreateNote, NoteService/GetNote, NoteService/WatchNotes, ChatService/Import, ChatService/Chat\n"},
		{"misspelt method", []string{"NoteService/CreatNote"}, "", 2, "", "sample: no method NoteService/CreatNote; did you mean NoteService/CreateNote?\n"},
		{"misspelt method alone", []string{"getnotes"}, "", 2, "", "sample: no method getnotes; did you mean NoteService/GetNote?\n"},
		{"no such method", []string{"Frobnicate"}, "", 2, "", "sample: no method Frobnicate; there are NoteService/CreateNote, NoteService/GetNote, NoteService/WatchNotes, ChatService/Import, ChatService/Chat\n"},
		{"another service's method", []string{"NoteService/Chat"}, "", 2, "", "sample: no method NoteService/Chat; did you mean ChatService/Chat?\n"},
		{"no such method of a service", []string{"NoteService/Nope"}, "", 2, "", "sample: no method NoteService/Nope; there are NoteService/CreateNote"},
		{"part of a name", []string{"Note"}, "", 2, "", "sample: no method Note; there are NoteService/CreateNote, NoteService/GetNote, NoteService/WatchNotes, ChatService/Import, ChatService/Chat\n"},
		{"unknown field", []string{"CreateNote", `{"id":1}`}, "", 2, "", "sample: the request is no sample.v1.CreateNoteRequest: (line 1:2): unknown field \"id\"\n"},
		{"two requests for one", []string{"CreateNote", "{}", "{}"}, "", 2, "", "sample: this method takes one message, not 2\n"},
		{"broken message in a stream", []string{"Import", "{}", `{"x`}, "", 2, "", "sample: the request is no sample.v1.ImportRequest: "},
		{"broken stdin in a stream", []string{"Import", "-"}, "{} x", 2, "", "sample: standard input: "},
		{"header", []string{"CreateNote", "-H", "x-request-id"}, "", 2, "", "sample: header \"x-request-id\" is not name: value\n"},
		{"deadline", []string{"CreateNote", "--timeout", "1ns"}, "", 1, "", "sample: NoteService.CreateNote: DeadlineExceeded: context deadline exceeded\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := command(t.Context(), r.env, tt.stdin, append([]string{"call"}, tt.args...)...)
			stderr = strings.ReplaceAll(stderr, "\u00a0", " ")
			if code != tt.code || stdout != tt.stdout || !strings.HasPrefix(stderr, tt.stderr) || tt.stderr == "" && stderr != "" {
				t.Errorf("exit %d\nstdout %q\nstderr %q\nwant exit %d\nstdout %q\nstderr %q", code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestCallNobody(t *testing.T) {
	code, _, stderr := command(t.Context(), []string{"SAMPLE_GRPC_ADDR=127.0.0.1:1"}, "", "call", "CreateNote")
	if code != 1 || !strings.Contains(stderr, "NoteService.CreateNote: Unavailable: ") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestEvents(t *testing.T) {
	r := startService(t, nil, sampleDeps)
	if code, _, stderr := command(t.Context(), r.env, "", "call", "CreateNote", `{"noteId":"n-1","text":"hello"}`); code != 0 {
		t.Fatal(stderr)
	}
	// Follow until the event is there: it takes the relay a moment.
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"events"}, sampleDeps, terminal{in: strings.NewReader(""), out: writer, err: io.Discard, environ: r.env})
	}()
	var followed bytes.Buffer
	buf := make([]byte, 4096)
	for !strings.Contains(followed.String(), "data ") {
		n, err := reader.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		followed.Write(buf[:n])
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d after the interrupt", code)
	}
	want := regexp.MustCompile(`(?s)^sample\.v1\.NoteCreated
  topic         notes
  id            [0-9a-f-]{36}
  source        /svc/sample
  time          \S+Z
  subject       n-1
  partitionkey  n-1
  data          \{"noteId":"n-1","text":"hello"\}
$`)
	if !want.MatchString(followed.String()) {
		t.Errorf("events printed\n%s", followed.String())
	}
	if code, stdout, stderr := command(t.Context(), r.env, "", "events", "--once", "--json"); code != 0 || !strings.Contains(stdout, `"data":{"noteId":"n-1","text":"hello"}`) || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

// TestOutboxCommands works on a database nobody serves.
func TestOutboxCommands(t *testing.T) {
	r := startService(t, nil, sampleDeps)
	db := r.DB()
	if err := r.Broker().Close(t.Context()); err != nil { // so that events stay
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(_ context.Context, tx *store.Tx) error {
		return tx.Emit(outbox.Message{Topic: "notes", Key: "n-1", Type: "sample.v1.NoteCreated", Payload: []byte{0x0a, 0x01, 'n'}})
	})
	if err != nil {
		t.Fatal(err)
	}
	letters, err := db.Queue().List(t.Context(), false, 1)
	if err != nil || len(letters) != 1 {
		t.Fatal(letters, err)
	}
	row := letters[0].Row
	steps := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"outbox ls", 0, `sample.v1.NoteCreated +notes +"n-1"`, ""},
		{"outbox ls --json", 0, `"data":\{"noteId":"n"\}`, ""},
		{"outbox drain --timeout 1ms", 1, "", "1 waiting\nsample: 1 events still wait"},
		{"outbox requeue 1", 1, "", "no such dead letter"},
		{"outbox requeue x", 2, "", `"x" is no row number`},
		{"outbox requeue", 2, "", "expected the ROW"},
		{"outbox", 2, "", "expected ls, requeue, skip or drain"},
		{"outbox list", 2, "", `unknown command "list"`},
		{"reject", 0, "", ""},
		{"outbox ls", 0, "^ROW[^\n]*\n$", ""},
		{"outbox ls --dead", 0, `"n-1".*too odd \(later events of its key wait\)`, ""},
		{"outbox requeue 1 2", 1, "", "row 2: no such dead letter"},
		{"outbox requeue 1 --all", 2, "", "expected rows or --all, not both"},
		{"outbox ls --dead", 0, `"n-1"`, ""},
		{"outbox requeue --all", 0, "", "1 requeued, 0 refused again"},
		{"outbox requeue --all", 0, "", "0 requeued"},
		{"outbox ls", 0, `"n-1"`, ""},
		{"reject", 0, "", ""},
		{"outbox skip x", 2, "", `"x" is no row number`},
		{"outbox skip 1", 0, "", ""},
		{"outbox ls --dead", 0, "^ROW[^\n]*\n$", ""},
		{"outbox drain", 0, "", ""},
	}
	for _, step := range steps {
		if step.args == "reject" {
			if _, err := db.Queue().Reject(t.Context(), row, "too odd", 1, true); err != nil {
				t.Fatal(err)
			}
			continue
		}
		code, stdout, stderr := command(t.Context(), r.env, "", strings.Fields(step.args)...)
		if code != step.code || !regexp.MustCompile(step.stdout).MatchString(stdout) || !strings.Contains(stderr, step.stderr) {
			t.Errorf("%s: exit %d\nstdout %s\nstderr %s", step.args, code, stdout, stderr)
		}
	}
}

func TestCommandLine(t *testing.T) {
	r := startService(t, nil, sampleDeps)
	tests := []struct {
		args string
		code int
		want string // in either stream
	}{
		{"version", 0, "sample "},
		{"healthcheck", 0, ""},
		{"healthcheck --admin-addr 127.0.0.1:1", 1, "is it running?"},
		{"migrate", 0, ""},
		{"outbox ls --database-url nowhere.db", 1, "nowhere.db: no such file or directory"},
		{"servee", 2, `unknown command "servee"`},
		{"migrat", 2, `did you mean migrate?`},
		{"--nonsense", 2, "unknown flag: --nonsense"},
		{"--grpc-addr 0.0.0.0:1", 2, "SAMPLE_GRPC_ADDR (--grpc-addr): 0.0.0.0:1 can be reached from other hosts"},
		{"--grpc-addr 0.0.0.0:1", 2, "set SAMPLE_TLS_CERT and SAMPLE_TLS_KEY, or SAMPLE_INSECURE=true"},
		{"call CreateNote --grpc-addr 127.0.0.1:1", 1, "is it running?"},
		{"--help", 0, "--grpc-addr string"},
		{"--help", 0, "[SAMPLE_GRPC_ADDR]"},
		{"--help", 0, `(default "sample.db")`},
		{"completion bash", 0, "__start_sample"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			code, stdout, stderr := command(t.Context(), r.env, "", strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
				t.Errorf("exit %d, want %d and %q in\n%s%s", code, tt.code, tt.want, stdout, stderr)
			}
		})
	}
}
