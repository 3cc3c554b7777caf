package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"

	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

// serve runs the service until a signal.
func serve(cmd *cobra.Command, id Identity, deps DepsFunc, t terminal) error {
	cfg, err := settings(cmd, id, t)
	if err != nil {
		return err
	}
	if interactive(t.err) && !cfg.IsSet("DRAIN_DELAY") {
		cfg.Shutdown.DrainDelay = 0 // whoever pressed Ctrl-C waits, and there is no load balancer
	}
	log := newLogger(cfg, t.err)
	for _, name := range cfg.Unknown() {
		log.Warn("nothing reads this variable", "name", name)
	}
	log.Info("configuration", "set", cfg)
	// OpenTelemetry reports trouble with its exporters only through a global; by default that prints to stderr.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("telemetry", "error", err) }))
	s, err := Open(cmd.Context(), cfg, deps, Options{Log: log})
	if err != nil {
		return err
	}
	return s.Run(cmd.Context())
}

func migrateCommand(id Identity, t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Apply the migrations that the database lacks",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, id, t, func(ctx context.Context, db *store.DB) error {
				return db.Migrate(ctx, migrations.FS)
			})
		},
	}
}

// withStore opens the database for a command.
func withStore(cmd *cobra.Command, id Identity, t terminal, f func(context.Context, *store.DB) error) (err error) {
	cfg, err := settings(cmd, id, t)
	if err != nil {
		return err
	}
	db, err := store.Open(cmd.Context(), cfg.Database, newLogger(cfg, t.err))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	return f(cmd.Context(), db)
}

func healthcheckCommand(id Identity, t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit 0 when the running service is ready; for containers without a shell",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := clientSettings(cmd, id, t)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTimeout)
			defer cancel()
			body, code, err := adminGet(ctx, cfg, "/readyz")
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }() // read only
			text, err := io.ReadAll(io.LimitReader(body, 1<<10))
			if err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			if code != http.StatusOK {
				return fmt.Errorf("not ready: %s", text)
			}
			return nil
		},
	}
}

const healthcheckTimeout = 3 * time.Second

// adminGet asks the running service's admin port.
func adminGet(ctx context.Context, cfg *config.Config, path string) (io.ReadCloser, int, error) {
	url := "http://" + dialable(cfg.Admin.Addr) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("ask the service: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("ask the service: %w (is it running?)", err)
	}
	return resp.Body, resp.StatusCode, nil
}

// dialable turns an address to listen on into one to connect to: one that stands for every interface is reached
// on this host.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func versionCommand(id Identity, _ terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s/%s\n", id.Name, version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
