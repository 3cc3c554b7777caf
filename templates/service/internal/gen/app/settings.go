package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
	"github.com/svcgen/svcgen/templates/service/internal/gen/rpc"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
)

// addSettings gives every setting a flag. A flag's value takes the same way as its variable's, through package
// config, so both have one meaning and one set of errors.
func addSettings(root *cobra.Command, id Identity) {
	for _, f := range config.Fields() {
		root.PersistentFlags().String(f.Flag, f.DefaultFor(id.Name), fmt.Sprintf("%s [%s%s]", f.Help, id.Prefix, f.Key))
		if f.Bool {
			root.PersistentFlags().Lookup(f.Flag).NoOptDefVal = "true"
		}
	}
	root.PersistentFlags().SortFlags = false
}

// settings reads the configuration for a command that works on the database, or serves.
func settings(cmd *cobra.Command, id Identity, t terminal) (*config.Config, error) {
	return load(cmd, config.Source{Name: id.Name, Prefix: id.Prefix, Environ: t.environ})
}

// clientSettings reads the configuration for a command that talks to the running service: it works without what
// only the service needs, such as where the database is.
func clientSettings(cmd *cobra.Command, id Identity, t terminal) (*config.Config, error) {
	return load(cmd, config.Source{Name: id.Name, Prefix: id.Prefix, Environ: t.environ, Client: true})
}

func load(cmd *cobra.Command, src config.Source) (*config.Config, error) {
	src.Flags = map[string]string{}
	for _, f := range config.Fields() {
		if flag := cmd.Flags().Lookup(f.Flag); flag != nil && flag.Changed {
			src.Flags[f.Key] = flag.Value.String()
		}
	}
	cfg, err := config.Load(src)
	if err != nil {
		return nil, &usageError{err: err}
	}
	return cfg, nil
}

// newLogger writes the log to the terminal's error stream.
func newLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	text := cfg.Telemetry.LogFormat == "text" || cfg.Telemetry.LogFormat == "auto" && interactive(w)
	return telemetry.NewLogger(w, cfg.Telemetry.LogLevel, text, rpc.RequestID)
}

// interactive reports whether a person reads w.
func interactive(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
