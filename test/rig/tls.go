package rig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// What a server that speaks TLS only wants to be logged in with.
const (
	SecureUser     = "svcgen"
	SecurePassword = "correct-horse"
)

// CA is the file of the authority that signed the certificate of a server that was started with TLS.
func (s *Server) CA() string { return s.tlsFile("ca.pem") }

// OtherCA is the file of an authority that did not.
func (s *Server) OtherCA() string { return s.tlsFile("other-ca.pem") }

func (s *Server) tlsFile(name string) string { return filepath.Join(s.dir, "tls", name) }

// certify makes an authority, a certificate for 127.0.0.1 and localhost, and another authority, and gives the files
// to the user the server runs as.
func (s *Server) certify(owner string) error {
	dir := filepath.Dir(s.CA())
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	ca, err := newAuthority("the right one")
	if err != nil {
		return err
	}
	other, err := newAuthority("another one")
	if err != nil {
		return err
	}
	cert, key, err := ca.issue()
	if err != nil {
		return err
	}
	var errs []error
	for name, content := range map[string][]byte{
		"ca.pem": ca.pem, "other-ca.pem": other.pem, "cert.pem": cert, "key.pem": key,
		"keystore.pem": bytes.Join([][]byte{key, cert, ca.pem}, nil), // Java's way
	} {
		path := s.tlsFile(name)
		mode := os.FileMode(0o644)
		if bytes.Contains(content, []byte("PRIVATE KEY")) {
			mode = 0o600
		}
		errs = append(errs, os.WriteFile(path, content, mode))
		if owner != "" {
			errs = append(errs, giveTo(path, owner))
		}
	}
	return errors.Join(errs...)
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key, pem: encode("CERTIFICATE", der)}, err
}

func (a *authority) issue() (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &k.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8), err
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
