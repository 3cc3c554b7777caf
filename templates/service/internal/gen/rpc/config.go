package rpc

import (
	"fmt"
	"net"
	"runtime"
	"time"
)

// Config is what an operator may change. Each field is an environment variable behind the service's prefix and
// a flag; package config reads both.
type Config struct {
	Addr          string        `env:"GRPC_ADDR" envDefault:"127.0.0.1:9090" help:"address to serve gRPC on"`
	TLSCert       string        `env:"TLS_CERT" help:"PEM file of the server's certificate chain; read again when it changes"`
	TLSKey        string        `env:"TLS_KEY" help:"PEM file of the server's private key"`
	TLSClientCA   string        `env:"TLS_CLIENT_CA" help:"PEM file of the CAs that must have signed a client's certificate"`
	Insecure      bool          `env:"INSECURE" envDefault:"false" help:"serve other hosts without TLS"`
	Reflection    bool          `env:"REFLECTION" envDefault:"false" help:"serve gRPC reflection; for development"`
	Timeout       time.Duration `env:"GRPC_TIMEOUT" envDefault:"10s" help:"deadline of a unary call whose client sets none; 0: none"`
	StreamTimeout time.Duration `env:"GRPC_STREAM_TIMEOUT" envDefault:"0s" help:"longest life of a stream; 0: as long as its connection, about half an hour"`
	MaxInFlight   int           `env:"GRPC_MAX_IN_FLIGHT" envDefault:"0" help:"unary calls served at once; 0 is 64 for each CPU, at least 128"`
	MaxStreams    int           `env:"GRPC_MAX_STREAMS" envDefault:"0" help:"streams open at once; 0 is 16 times the unary limit"`
	MaxRecvBytes  int           `env:"GRPC_MAX_RECV_BYTES" envDefault:"4194304" help:"largest message taken in"`
	MaxSendBytes  int           `env:"GRPC_MAX_SEND_BYTES" envDefault:"4194304" help:"largest message sent"`
	Grace         time.Duration `env:"GRPC_GRACE" envDefault:"20s" help:"how long calls may run on after the drain began"`
}

// Limits that need no knob: a service that must change one of them edits the server's options.
const (
	maxConcurrentStreams = 250      // on one connection
	maxHeaderListBytes   = 16 << 10 // of a request's metadata
	maxConnections       = 5000
	streamWorkers        = 16               // for each CPU
	connectionTimeout    = 10 * time.Second // to finish the handshakes

	keepaliveTime    = 2 * time.Minute
	keepaliveTimeout = 20 * time.Second
	keepaliveMinTime = 20 * time.Second // a client that pings more often is cut off
	connectionIdle   = 15 * time.Minute
	connectionAge    = 30 * time.Minute // so that clients find new replicas
	connectionGrace  = 30 * time.Second
)

// maxInFlight is how many unary calls may run at once. It bounds memory and queueing: beyond it a call is
// refused at once instead of waiting for its deadline.
func (c Config) maxInFlight() int64 {
	if c.MaxInFlight > 0 {
		return int64(c.MaxInFlight)
	}
	return int64(max(128, 64*runtime.GOMAXPROCS(0)))
}

// maxStreams is how many streams may be open at once. They have a limit of their own because an idle stream
// costs memory but no CPU: watchers must not use up what unary calls need.
func (c Config) maxStreams() int64 {
	if c.MaxStreams > 0 {
		return int64(c.MaxStreams)
	}
	return 16 * c.maxInFlight()
}

// TLS reports whether the server speaks TLS.
func (c Config) TLS() bool { return c.TLSCert != "" }

// Check reports every value that cannot be served with.
func (c Config) Check(bad func(key, problem string)) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("TLS_CERT", "certificate and key ({TLS_KEY}) go together: set both or none")
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		bad("TLS_CLIENT_CA", "client certificates need TLS: set {TLS_CERT} and {TLS_KEY}")
	}
	if host, _, err := net.SplitHostPort(c.Addr); err != nil {
		bad("GRPC_ADDR", fmt.Sprintf("%q is not host:port", c.Addr))
	} else if !c.TLS() && !c.Insecure && !loopback(host) {
		bad("GRPC_ADDR", fmt.Sprintf("%s can be reached from other hosts, and no TLS is set: set {TLS_CERT} and {TLS_KEY}, or {INSECURE}=true", c.Addr))
	}
	for key, d := range map[string]time.Duration{"GRPC_TIMEOUT": c.Timeout, "GRPC_STREAM_TIMEOUT": c.StreamTimeout, "GRPC_GRACE": c.Grace} {
		if d < 0 {
			bad(key, "must not be negative")
		}
	}
	for key, n := range map[string]int{"GRPC_MAX_IN_FLIGHT": c.MaxInFlight, "GRPC_MAX_STREAMS": c.MaxStreams} {
		if n < 0 {
			bad(key, "must not be negative")
		}
	}
	for key, n := range map[string]int{"GRPC_MAX_RECV_BYTES": c.MaxRecvBytes, "GRPC_MAX_SEND_BYTES": c.MaxSendBytes} {
		if n < 1 {
			bad(key, "must be at least 1")
		}
	}
}

// loopback reports whether only this host can reach host. A name is taken as its address only for localhost:
// what another name resolves to may change.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
