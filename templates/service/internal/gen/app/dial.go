package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
)

// dial connects to the running service by its own configuration: where it listens, and with the TLS files it
// uses, trusting its certificate and, where it asks clients for one, showing the same.
func dial(cfg *config.Config, serverName string) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if cfg.GRPC.TLS() {
		tc, err := clientTLS(cfg, serverName)
		if err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(tc)
	}
	conn, err := grpc.NewClient("passthrough:///"+dialable(cfg.GRPC.Addr),
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(cfg.GRPC.MaxSendBytes)))
	if err != nil {
		return nil, fmt.Errorf("connect to the service: %w", err)
	}
	return conn, nil
}

func clientTLS(cfg *config.Config, serverName string) (*tls.Config, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	pem, err := os.ReadFile(cfg.GRPC.TLSCert)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	roots.AppendCertsFromPEM(pem)
	tc := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: serverName}
	if cfg.GRPC.TLSClientCA != "" {
		pair, err := tls.LoadX509KeyPair(cfg.GRPC.TLSCert, cfg.GRPC.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		tc.Certificates = []tls.Certificate{pair}
	}
	return tc, nil
}
