package rpc

import (
	"log/slog"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"google.golang.org/grpc/keepalive"
)

// TestSecureDefaults reads what the server really runs with, out of grpc-go's own options, when nothing is
// configured. A limit that grpc-go ignores, or that somebody drops, shows here.
func TestSecureDefaults(t *testing.T) {
	cfg, err := env.ParseAs[Config]()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Check(func(key, problem string) { t.Errorf("default of %s: %s", key, problem) })
	s, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	opts := reflect.ValueOf(s.Server).Elem().FieldByName("opts")
	params := opts.FieldByName("keepaliveParams")
	policy := opts.FieldByName("keepalivePolicy")
	age := func(v reflect.Value, name string) time.Duration { return time.Duration(v.FieldByName(name).Int()) }
	if params.Type() != reflect.TypeFor[keepalive.ServerParameters]() {
		t.Fatalf("keepalive parameters are a %v", params.Type())
	}
	tests := []struct {
		name      string
		got, want any
	}{
		{"streams on a connection", opts.FieldByName("maxConcurrentStreams").Uint(), uint64(250)},
		{"largest message in", opts.FieldByName("maxReceiveMessageSize").Int(), int64(4 << 20)},
		{"largest message out", opts.FieldByName("maxSendMessageSize").Int(), int64(4 << 20)},
		{"header list", opts.FieldByName("maxHeaderListSize").Elem().Uint(), uint64(16 << 10)},
		{"handshake", age(opts, "connectionTimeout"), 10 * time.Second},
		{"keepalive time", age(params, "Time"), 2 * time.Minute},
		{"keepalive timeout", age(params, "Timeout"), 20 * time.Second},
		{"idle connection", age(params, "MaxConnectionIdle"), 15 * time.Minute},
		{"connection age", age(params, "MaxConnectionAge"), 30 * time.Minute},
		{"connection grace", age(params, "MaxConnectionAgeGrace"), 30 * time.Second},
		{"client pings", age(policy, "MinTime"), 20 * time.Second},
		{"stop waits for handlers", opts.FieldByName("waitForHandlers").Bool(), true},
		{"unary interceptor", opts.FieldByName("unaryInt").IsNil(), false},
		{"stream interceptor", opts.FieldByName("streamInt").IsNil(), false},
		{"connections", maxConnections, 5000},
		{"default deadline", s.chain.timeout, 10 * time.Second},
		{"stream deadline", s.chain.streamTimeout, time.Duration(0)},
		{"calls in flight", s.chain.maxCalls, int64(max(128, 64*runtime.GOMAXPROCS(0)))},
		{"streams open", s.chain.maxStreams, 16 * s.chain.maxCalls},
		{"grace", cfg.Grace, 20 * time.Second},
		{"address", cfg.Addr, "127.0.0.1:9090"},
		{"plaintext for others", cfg.Insecure, false},
		{"reflection", hasService(s, "grpc.reflection.v1.ServerReflection"), false},
		{"channelz", hasService(s, "grpc.channelz.v1.Channelz"), false},
		{"health", hasService(s, "grpc.health.v1.Health"), true},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func hasService(s *Server, name string) bool {
	_, ok := s.GetServiceInfo()[name]
	return ok
}

func TestConfigCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // keys with a problem
	}{
		{"defaults", func(*Config) {}, nil},
		{"another loopback address", func(c *Config) { c.Addr = "[::1]:9090" }, nil},
		{"by name", func(c *Config) { c.Addr = "localhost:9090" }, nil},
		{"all interfaces", func(c *Config) { c.Addr = ":9090" }, []string{"GRPC_ADDR"}},
		{"all interfaces, spelled out", func(c *Config) { c.Addr = "0.0.0.0:9090" }, []string{"GRPC_ADDR"}},
		{"a name that may resolve to anything", func(c *Config) { c.Addr = "localhost.example:9090" }, []string{"GRPC_ADDR"}},
		{"all interfaces, insecure", func(c *Config) { c.Addr, c.Insecure = ":9090", true }, nil},
		{"all interfaces, TLS", func(c *Config) { c.Addr, c.TLSCert, c.TLSKey = ":9090", "c", "k" }, nil},
		{"no port", func(c *Config) { c.Addr = "localhost" }, []string{"GRPC_ADDR"}},
		{"key without certificate", func(c *Config) { c.TLSKey = "k" }, []string{"TLS_CERT"}},
		{"client CA without TLS", func(c *Config) { c.TLSClientCA = "ca" }, []string{"TLS_CLIENT_CA"}},
		{"negative", func(c *Config) { c.Timeout = -1 }, []string{"GRPC_TIMEOUT"}},
		{"nothing may come in", func(c *Config) { c.MaxRecvBytes = 0 }, []string{"GRPC_MAX_RECV_BYTES"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			tt.change(&cfg)
			var got []string
			cfg.Check(func(key, _ string) { got = append(got, key) })
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("problems with %v, want %v", got, tt.want)
			}
		})
	}
}
