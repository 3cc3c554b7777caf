package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caarlos0/env/v11"
	kratoslog "github.com/go-kratos/kratos/v2/log"
	"github.com/go-kratos/kratos/v2/middleware/logging"
	"github.com/go-kratos/kratos/v2/middleware/recovery"
	"github.com/go-kratos/kratos/v2/middleware/tracing"
	kratos "github.com/go-kratos/kratos/v2/transport/grpc"
	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/rpc"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Servers of one unary call.
const (
	bare      = "bare grpc-go"
	chain     = "svcgen, default chain"
	goZero    = "go-zero zrpc, defaults, log discarded"
	goKratos  = "go-kratos, recovery, tracing, logging (discarded)"
	grpcTitle = "gRPC unary call, 1 KiB in and out, 50 clients on one connection"
)

// grpcPath measures what stands between the wire and the handler. The server is a process of its own, so that its CPU
// and allocations can be told from the client's.
func grpcPath(ctx context.Context, b *bench) error {
	t := &table{title: grpcTitle, columns: []column{rate, srvCPU, allocs}}
	var variants []variant
	for _, name := range []string{bare, chain, goZero, goKratos} {
		variants = append(variants, variant{name, func(ctx context.Context) (sample, error) { return b.callServer(ctx, name) }})
	}
	return b.interleave(ctx, t, variants)
}

func (b *bench) callServer(ctx context.Context, name string) (_ sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", name)
	cmd.Stderr = b.log
	in, err := cmd.StdinPipe()
	if err != nil {
		return sample{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	defer func() {
		_ = in.Close() // the server ends with its input
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	read := func(v any) error {
		if !lines.Scan() {
			return fmt.Errorf("server ended: %w", io.ErrUnexpectedEOF)
		}
		return json.Unmarshal(lines.Bytes(), v)
	}
	ask := func() (u usage, err error) {
		if _, err := fmt.Fprintln(in); err != nil {
			return u, err
		}
		return u, read(&u)
	}
	var addr string
	if err := read(&addr); err != nil {
		return sample{}, err
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = conn.Close() }()
	client := samplev1.NewNoteServiceClient(conn)
	req := &samplev1.GetNoteRequest{NoteId: strings.Repeat("n", 1024)}
	var calls atomic.Int64
	load := func(lasts time.Duration) error {
		end := time.Now().Add(lasts)
		errs := make([]error, 50)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				for errs[i] == nil && time.Now().Before(end) {
					calls.Add(1)
					call, cancel := context.WithTimeout(ctx, 10*time.Second)
					_, errs[i] = client.GetNote(call, req, grpc.WaitForReady(true))
					cancel()
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := load(b.lasts(500 * time.Millisecond)); err != nil { // warm
		return sample{}, err
	}
	before, err := ask()
	if err != nil {
		return sample{}, err
	}
	calls.Store(0)
	began := time.Now()
	if err := load(b.lasts(2 * time.Second)); err != nil {
		return sample{}, err
	}
	n, took := float64(calls.Load()), time.Since(began)
	after, err := ask()
	if err != nil {
		return sample{}, err
	}
	return sample{Rate: n / took.Seconds(), CPU: micros(after.CPU-before.CPU) / n, Allocs: float64(after.Mallocs-before.Mallocs) / n}, nil
}

// usage is what a server tells of itself.
type usage struct {
	CPU     time.Duration `json:"cpu"`
	Mallocs uint64        `json:"mallocs"`
}

// notes answers GetNote.
type notes struct {
	samplev1.UnimplementedNoteServiceServer
	text string
}

func (s *notes) GetNote(_ context.Context, req *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
	return &samplev1.GetNoteResponse{NoteId: req.GetNoteId(), Text: s.text}, nil
}

// serve is the server process: it tells its address, and its usage for each line it reads, until its input ends.
func serve(name string, in io.Reader, out io.Writer) error {
	impl := &notes{text: strings.Repeat("x", 1024)}
	lis, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	switch name {
	case bare:
		s := grpc.NewServer()
		samplev1.RegisterNoteServiceServer(s, impl)
		go func() { failed <- s.Serve(lis) }()
	case chain:
		s, err := emittedServer()
		if err != nil {
			return err
		}
		samplev1.RegisterNoteServiceServer(s, impl)
		go func() { failed <- s.Serve(lis) }()
	case goZero:
		logx.Disable()
		var c zrpc.RpcServerConf
		if err := conf.FillDefault(&c); err != nil {
			return err
		}
		c.Name, c.ListenOn = "bench", lis.Addr().String()
		if err := lis.Close(); err != nil { // it opens its own
			return err
		}
		s, err := zrpc.NewServer(c, func(s *grpc.Server) { samplev1.RegisterNoteServiceServer(s, impl) })
		if err != nil {
			return err
		}
		logx.Disable() // the server has set logging up anew
		go s.Start()
	case goKratos:
		s := kratos.NewServer(kratos.Listener(lis), kratos.Middleware(
			recovery.Recovery(), tracing.Server(), logging.Server(kratoslog.NewStdLogger(io.Discard))))
		samplev1.RegisterNoteServiceServer(s, impl)
		go func() { failed <- s.Start(context.Background()) }()
	default:
		return fmt.Errorf("no server %q", name)
	}
	tell := json.NewEncoder(out)
	if err := tell.Encode(lis.Addr().String()); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		select {
		case err := <-failed:
			return err
		default:
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if err := tell.Encode(usage{cpuTime(), m.Mallocs}); err != nil {
			return err
		}
	}
	return nil
}

// emittedServer is made as package app makes it.
func emittedServer() (*rpc.Server, error) {
	cfg, err := env.ParseAsWithOptions[rpc.Config](env.Options{Environment: map[string]string{}})
	if err != nil {
		return nil, err
	}
	t, err := telemetry.New(context.Background(), telemetry.Config{}, "bench", "0")
	if err != nil {
		return nil, err
	}
	return rpc.New(cfg, rpc.Options{
		Log:   telemetry.NewLogger(io.Discard, slog.LevelInfo, false, rpc.RequestID),
		Meter: t.Meter,
	})
}
