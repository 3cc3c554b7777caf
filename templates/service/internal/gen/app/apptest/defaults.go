package apptest

import (
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
	"github.com/svcgen/svcgen/templates/service/internal/gen/rpc"
)

// Defaults is what the service runs with when nothing is configured: each setting by its variable, without prefix,
// and what the gRPC server was made with, out of grpc-go's own options, so that a limit which grpc-go ignores is
// seen too.
func Defaults(tb testing.TB) map[string]string {
	tb.Helper()
	cfg, err := config.Load(config.Source{Name: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range cfg.Redacted() {
		got[s.Name] = s.Value
	}
	server, err := rpc.New(cfg.GRPC, rpc.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	defer server.Stop()
	opts := optionsOf(tb, server.Server)
	for name, path := range map[string][]string{
		"grpc streams per connection": {"maxConcurrentStreams"},
		"grpc largest message in":     {"maxReceiveMessageSize"},
		"grpc largest message out":    {"maxSendMessageSize"},
		"grpc header list":            {"maxHeaderListSize"},
		"grpc handshake":              {"connectionTimeout"},
		"grpc keepalive":              {"keepaliveParams", "Time"},
		"grpc keepalive timeout":      {"keepaliveParams", "Timeout"},
		"grpc idle connection":        {"keepaliveParams", "MaxConnectionIdle"},
		"grpc connection age":         {"keepaliveParams", "MaxConnectionAge"},
		"grpc connection grace":       {"keepaliveParams", "MaxConnectionAgeGrace"},
		"grpc pings no closer than":   {"keepalivePolicy", "MinTime"},
	} {
		v := opts
		for _, field := range path {
			if v = v.FieldByName(field); !v.IsValid() {
				tb.Fatalf("grpc-go no longer calls the option of %s %s", name, strings.Join(path, "."))
			}
			v = reflect.Indirect(v)
		}
		got[name] = show(v)
	}
	services := server.GetServiceInfo()
	for name, service := range map[string]string{
		"grpc health": "grpc.health.v1.Health", "grpc reflection": "grpc.reflection.v1.ServerReflection", "grpc channelz": "grpc.channelz.v1.Channelz",
	} {
		_, on := services[service]
		got[name] = strconv.FormatBool(on)
	}
	return got
}

func optionsOf(tb testing.TB, s *grpc.Server) reflect.Value {
	tb.Helper()
	opts := reflect.ValueOf(s).Elem().FieldByName("opts")
	if !opts.IsValid() {
		tb.Fatal("grpc-go no longer keeps its options in opts")
	}
	return opts
}

// show renders a field that may not be exported.
func show(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return time.Duration(v.Int()).String()
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	}
	return fmt.Sprint(v)
}

// Says fails when the file has no such line, comments and indentation aside. A file that is not there says nothing,
// and is for its owner to miss.
func Says(tb testing.TB, file string, lines ...string) {
	tb.Helper()
	content, ok := read(tb, file)
	if !ok {
		return
	}
	said := map[string]bool{}
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, " #")
		said[strings.TrimPrefix(strings.TrimSpace(line), "- ")] = true
	}
	for _, want := range lines {
		if !said[want] {
			tb.Errorf("%s no longer says %q", file, want)
		}
	}
}

// Never fails when the file contains one of the texts.
func Never(tb testing.TB, file string, texts ...string) {
	tb.Helper()
	content, _ := read(tb, file)
	for _, text := range texts {
		if strings.Contains(content, text) {
			tb.Errorf("%s says %q", file, text)
		}
	}
}

// Number is the number behind key in the file, and whether it is there.
func Number(tb testing.TB, file, key string) (n int, ok bool) {
	tb.Helper()
	content, _ := read(tb, file)
	m := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(key) + `\s*(\d+)\b`).FindStringSubmatch(content)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

func read(tb testing.TB, file string) (content string, ok bool) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Logf("not looked at: %v", err)
		return "", false
	}
	return string(b), true
}
