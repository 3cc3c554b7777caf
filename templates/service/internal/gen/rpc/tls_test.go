package rpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue returns certificate and key as PEM.
func (a *authority) issue(t *testing.T, serial int64, usage x509.ExtKeyUsage) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb})
}

func put(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveTLS serves over the network until the test ends.
func serveTLS(t *testing.T, cfg Config) (*Server, string) {
	t.Helper()
	s, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	lis, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, lis.Addr().String()
}

func TestTLSRefuses(t *testing.T) {
	ca, foreign, dir := newAuthority(t), newAuthority(t), t.TempDir()
	cert, key := ca.issue(t, 2, x509.ExtKeyUsageServerAuth)
	cfg := testConfig()
	cfg.TLSCert, cfg.TLSKey = put(t, filepath.Join(dir, "cert"), cert), put(t, filepath.Join(dir, "key"), key)
	cfg.TLSClientCA = put(t, filepath.Join(dir, "ca"), ca.pem)
	_, addr := serveTLS(t, cfg)

	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	client := func(a *authority, usage x509.ExtKeyUsage) []tls.Certificate {
		pair, err := tls.X509KeyPair(a.issue(t, 3, usage))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	good := client(ca, x509.ExtKeyUsageClientAuth)
	tests := []struct {
		name  string
		creds credentials.TransportCredentials
		ok    bool
	}{
		{"certificate of the CA", credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: good}), true},
		{"no certificate", credentials.NewTLS(&tls.Config{RootCAs: roots}), false},
		{"certificate of another CA", credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: client(foreign, x509.ExtKeyUsageClientAuth)}), false},
		{"certificate for servers", credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: client(ca, x509.ExtKeyUsageServerAuth)}), false},
		{"TLS 1.1", credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: good, MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}), false},
		{"plaintext", insecure.NewCredentials(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(tt.creds))
			if err != nil {
				t.Fatal(err)
			}
			_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if tt.ok && err != nil || !tt.ok && status.Code(err) != codes.Unavailable {
				t.Errorf("answer %v, want accepted: %v", err, tt.ok)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTLSReload replaces the files: new connections get the new certificate, and files that cannot be used leave
// the old one in place.
func TestTLSReload(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.issue(t, 2, x509.ExtKeyUsageServerAuth)
	cfg := testConfig()
	cfg.TLSCert, cfg.TLSKey = put(t, filepath.Join(dir, "cert"), cert), put(t, filepath.Join(dir, "key"), key)
	s, addr := serveTLS(t, cfg)
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	serial := func() int64 {
		t.Helper()
		var serial int64
		cfg := &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}, VerifyConnection: func(cs tls.ConnectionState) error {
			serial = cs.PeerCertificates[0].SerialNumber.Int64()
			return nil
		}}
		conn, err := (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		return serial
	}
	steps := []struct {
		name   string
		change func()
		want   int64
	}{
		{"at first", func() {}, 2},
		{"certificate without its key", func() {
			cert, key = ca.issue(t, 3, x509.ExtKeyUsageServerAuth)
			put(t, cfg.TLSCert, cert)
		}, 2},
		{"the key follows", func() { put(t, cfg.TLSKey, key) }, 3},
		{"rubbish", func() { put(t, cfg.TLSCert, []byte("rubbish")) }, 3},
		{"gone", func() {
			if err := os.Remove(cfg.TLSCert); err != nil {
				t.Fatal(err)
			}
		}, 3},
	}
	for i, step := range steps {
		step.change()
		stamp := time.Now().Add(time.Duration(i) * time.Minute) // files written within one tick of the clock differ too
		_ = os.Chtimes(cfg.TLSCert, stamp, stamp)               // it may be gone
		s.certs.refresh()
		if got := serial(); got != step.want {
			t.Errorf("%s: certificate %d, want %d", step.name, got, step.want)
		}
	}
}

func TestCappedListener(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &cappedListener{Listener: inner, limit: 1}
	accepted := make(chan net.Conn, 3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	dial()
	first := <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a connection above the limit stays open")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	_ = first.Close() // a second close must not free a second place
	dial()
	<-accepted
	if n := l.open.Load(); n != 1 {
		t.Errorf("%d open, want 1", n)
	}
	if err := inner.Close(); err != nil {
		t.Error(err)
	}
	<-done
}
