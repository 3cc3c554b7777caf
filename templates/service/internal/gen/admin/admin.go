// Package admin is the HTTP side port for operators: probes, metrics, a status page, and on a broker that lives in
// this process the events that pass through it.
//
// In: functions that tell the state of the service. Out: /livez, /readyz, /metrics, /statusz and /events. It has
// no authentication and changes nothing; it listens on the loopback address unless told otherwise. Profiling is
// not among its pages.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Config is what an operator may change.
type Config struct {
	Addr string `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9091" help:"address to serve probes, metrics and the status page on"`
}

// Check reports an address that cannot be one.
func (c Config) Check(bad func(key, problem string)) {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		bad("ADMIN_ADDR", fmt.Sprintf("%q is not host:port", c.Addr))
	}
}

// Limits of the HTTP server: probes and scrapes are small and quick.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
)

// Options are what the pages show.
type Options struct {
	Log     *slog.Logger
	Ready   func() error                 // nil: ready for calls; else why not
	Status  func(context.Context) Status // for /statusz
	Metrics http.Handler
	// Events calls yield for every event that passes the broker, the last ones first, until ctx is done or
	// yield fails. With follow unset it ends after those that were there. Nil: the broker is elsewhere.
	Events func(ctx context.Context, follow bool, yield func(event any) error) error
}

// Server serves the pages.
type Server struct {
	cfg  Config
	http *http.Server
}

// New makes a server.
func New(cfg Config, opts Options) *Server {
	mux := http.NewServeMux()
	// Liveness asks one thing: does this process still answer. A dependency that is down is no reason to restart it.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := opts.Ready(); err != nil {
			reply(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		reply(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", opts.Metrics)
	mux.Handle("GET /statusz", &statusPage{status: opts.Status, log: opts.Log})
	if opts.Events != nil {
		mux.Handle("GET /events", &eventStream{events: opts.Events, log: opts.Log})
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/statusz", http.StatusFound) })
	return &Server{cfg: cfg, http: &http.Server{
		Handler:           sameHost(mux),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn),
	}}
}

// Listen opens the configured address.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	lis, err := lc.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	return lis, nil
}

// Serve answers on lis until Close.
func (s *Server) Serve(lis net.Listener) error {
	if err := s.http.Serve(lis); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin: %w", err)
	}
	return nil
}

// Close ends the server and every stream of it at once: nothing here is worth waiting for.
func (s *Server) Close() error {
	if err := s.http.Close(); err != nil {
		return fmt.Errorf("close admin: %w", err)
	}
	return nil
}

// sameHost refuses requests for foreign names that reach a loopback address. They come from a browser whose page
// has pointed its own name here to read what only this host may.
func sameHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		if ok && local.IP.IsLoopback() && !loopbackName(r.Host) {
			reply(w, http.StatusForbidden, "unknown host")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || net.ParseIP(host) != nil
}

// reply writes a line of text. A client that has gone is not worth a word.
func reply(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text)
}
