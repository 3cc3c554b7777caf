package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// certificateCheck is how often the TLS files are looked at. Files mounted by an orchestrator are replaced by
// swapping a symbolic link, which file notification misses; looking at the modification time does not.
const certificateCheck = 30 * time.Second

// certificates keeps the TLS configuration in step with the files it comes from. When new files cannot be used
// the last good ones stay.
type certificates struct {
	cfg     Config
	log     *slog.Logger
	current atomic.Pointer[tls.Config]
	stamp   string // what the files looked like when current was read; used by watch only
}

func loadCertificates(cfg Config, log *slog.Logger) (*certificates, error) {
	c := &certificates{cfg: cfg, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// config is the configuration of the listener: it asks for the current one at every handshake.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// watch reads the files again when they change, until ctx is done.
func (c *certificates) watch(ctx context.Context) {
	tick := time.NewTicker(certificateCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.refresh()
		}
	}
}

func (c *certificates) refresh() {
	if c.look() == c.stamp {
		return
	}
	if err := c.load(); err != nil {
		// Certificate and key may be swapped one after the other: the next look tries again.
		c.log.Error("new TLS files cannot be used; the old ones stay", slog.Any("error", err))
		return
	}
	c.log.Info("TLS files read again")
}

// look describes the files' state.
func (c *certificates) look() string {
	var b strings.Builder
	for _, path := range []string{c.cfg.TLSCert, c.cfg.TLSKey, c.cfg.TLSClientCA} {
		if info, err := os.Stat(path); err == nil {
			b.WriteString(strconv.FormatInt(info.ModTime().UnixNano(), 36) + "/" + strconv.FormatInt(info.Size(), 36))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func (c *certificates) load() error {
	stamp := c.look()
	pair, err := tls.LoadX509KeyPair(c.cfg.TLSCert, c.cfg.TLSKey)
	if err != nil {
		return fmt.Errorf("load TLS certificate: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{pair}}
	if c.cfg.TLSClientCA != "" {
		pem, err := os.ReadFile(c.cfg.TLSClientCA)
		if err != nil {
			return fmt.Errorf("load client CAs: %w", err)
		}
		cfg.ClientCAs = x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("load client CAs: %w", errors.New("no certificate in "+c.cfg.TLSClientCA))
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current.Store(cfg)
	c.stamp = stamp
	return nil
}
