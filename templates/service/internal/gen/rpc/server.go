// Package rpc is the gRPC server: limits, TLS, health, and one interceptor pair that every call passes.
//
// In: a Config and the service's implementations, registered on a Server. Out: a server that refuses what it
// cannot carry, recovers from panics, logs, measures and traces each call, and tells clients nothing of what
// went wrong inside. It does not know which services it serves, which database they use, or when to stop:
// package app does.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
)

// Options are the server's collaborators.
type Options struct {
	Log      *slog.Logger
	Meter    metric.MeterProvider
	Tracer   trace.Tracer                     // nil: no spans
	Validate func(proto.Message) error        // nil: requests are not validated
	Classify func(error) (codes.Code, string) // code and public text of an error that is no gRPC status; nil or no text: Internal
	Extra    []grpc.ServerOption              // added last
	Now      func() time.Time                 // nil: time.Now
	NewID    func() string                    // request ids; nil: random
}

// Server is a gRPC server. Register services on it, then Serve.
type Server struct {
	*grpc.Server
	cfg    Config
	log    *slog.Logger
	chain  *chain
	health *health.Server
	certs  *certificates // nil without TLS

	serving sync.Once
	down    atomic.Bool
}

// New makes a server. With TLS files set it reads them, and fails when they cannot be used.
func New(cfg Config, opts Options) (*Server, error) {
	c, err := newChain(cfg, opts)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: opts.Log, chain: c, health: health.NewServer()}
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(c.unary),
		grpc.StreamInterceptor(c.stream),
		grpc.MaxConcurrentStreams(maxConcurrentStreams),
		grpc.MaxRecvMsgSize(cfg.MaxRecvBytes),
		grpc.MaxSendMsgSize(cfg.MaxSendBytes),
		grpc.MaxHeaderListSize(maxHeaderListBytes),
		grpc.ConnectionTimeout(connectionTimeout),
		// Goroutines that are used again: a fresh one grows its stack through the whole chain, at every call. When all
		// are busy a call gets a fresh one.
		grpc.NumStreamWorkers(uint32(streamWorkers * runtime.GOMAXPROCS(0))),
		grpc.WaitForHandlers(true), // Stop returns when no handler uses the database any more
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time:                  keepaliveTime,
			Timeout:               keepaliveTimeout,
			MaxConnectionIdle:     connectionIdle,
			MaxConnectionAge:      connectionAge,
			MaxConnectionAgeGrace: connectionGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinTime, PermitWithoutStream: true}),
	}
	if cfg.TLS() {
		if s.certs, err = loadCertificates(cfg, opts.Log); err != nil {
			return nil, err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(s.certs.config())))
	}
	s.Server = grpc.NewServer(append(options, opts.Extra...)...)
	healthpb.RegisterHealthServer(s.Server, s.health)
	s.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING) // until SetServing
	if cfg.Reflection {
		reflection.Register(s.Server)
	}
	return s, nil
}

// Listen opens the configured address.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	lis, err := lc.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for gRPC: %w", err)
	}
	return lis, nil
}

// Serve answers calls on lis until Shutdown. Services must be registered before.
func (s *Server) Serve(lis net.Listener) error {
	s.serving.Do(func() { s.chain.learn(s.GetServiceInfo()) })
	if host, _, err := net.SplitHostPort(s.cfg.Addr); !s.cfg.TLS() && (err != nil || !loopback(host)) {
		s.log.Warn("serving other hosts without TLS", slog.String("addr", s.cfg.Addr))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	if s.certs != nil {
		watch.Go(func() { s.certs.watch(ctx) })
	}
	err := s.Server.Serve(&cappedListener{Listener: lis, limit: maxConnections})
	cancel()
	watch.Wait()
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve gRPC: %w", err)
	}
	return nil
}

// InFlight is the number of unary calls and of streams being served.
func (s *Server) InFlight() (calls, streams int64) {
	return s.chain.calls.Load(), s.chain.streams.Load()
}

// SetServing publishes through the health service whether calls are welcome, for the server as a whole and
// for each service registered so far. Before the first call of it services are unknown; after Drain it has no effect.
func (s *Server) SetServing(ok bool) {
	st := healthpb.HealthCheckResponse_NOT_SERVING
	if ok {
		st = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", st)
	for name := range s.GetServiceInfo() {
		s.health.SetServingStatus(name, st)
	}
}

// Drain tells health clients that the server goes away. Calls are still served.
func (s *Server) Drain() { s.health.Shutdown() }

// Shutdown stops the server: no new calls, those that run may finish until grace is over, then they are
// cancelled. Health watchers do not count as calls that run; they end at once. It reports whether every call
// finished by itself.
func (s *Server) Shutdown(ctx context.Context) bool {
	s.down.Store(true)
	s.health.Shutdown()
	s.chain.endWatches()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.GracefulStop()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	s.log.Warn("calls did not finish in time and are cancelled")
	go s.Stop() // waits for handlers too; one that ignores its context must not hold up the process
	select {
	case <-done:
	case <-time.After(stopLimit):
		s.log.Error("a handler ignores its cancelled context")
	}
	return false
}

// Close ends what New has started, of a server that never served. After Shutdown it does nothing.
func (s *Server) Close() {
	if !s.down.Swap(true) {
		s.Stop()
	}
}

// stopLimit is how long a handler may take to notice that its context was cancelled.
const stopLimit = 2 * time.Second
