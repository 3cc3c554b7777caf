package broker

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// dialer makes connections as Config says.
type dialer struct {
	cfg  Config
	name string // shown in RabbitMQ's list of connections
}

func newDialer(cfg Config, name string) (dialer, error) {
	if err := outbox.Problems(cfg); err != nil {
		return dialer{}, err
	}
	if _, _, err := cfg.credentials(); err != nil {
		return dialer{}, err
	}
	if _, err := cfg.tlsConfig(); err != nil {
		return dialer{}, err
	}
	return dialer{cfg: cfg, name: name}, nil
}

// link is one AMQP connection and the socket under it. The library's own Close waits for the broker's answer, so
// whoever must not wait closes the socket: the library then finds its reader ended and settles everything.
type link struct {
	*amqp.Connection
	socket net.Conn
}

// dial connects and logs in; ctx and the timeout bound all of it.
func (d dialer) dial(ctx context.Context, purpose string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	user, password, err := d.cfg.credentials()
	if err != nil {
		return nil, err
	}
	config := amqp.Config{Heartbeat: d.cfg.Heartbeat, Properties: amqp.NewConnectionProperties()}
	config.Properties.SetClientConnectionName(d.name + " " + purpose)
	if user != "" || password != "" {
		config.SASL = []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}}
	}
	if strings.HasPrefix(d.cfg.URL, "amqps:") {
		if config.TLSClientConfig, err = d.cfg.tlsConfig(); err != nil {
			return nil, err
		}
	}
	var mu sync.Mutex
	var socket net.Conn
	config.Dial = func(network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		socket = newConn(c, d.cfg.Timeout)
		return socket, nil
	}
	closeSocket := func() {
		mu.Lock()
		defer mu.Unlock()
		if socket != nil {
			_ = socket.Close() // it is given up
		}
	}
	// The library's handshake knows no context.
	stop := context.AfterFunc(ctx, closeSocket)
	c, err := amqp.DialConfig(d.cfg.URL, config)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		stop()
		closeSocket()
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return &link{Connection: c, socket: socket}, nil
}

// bound gives up the connection when the calls made before the returned function is called take longer than d: the
// library's calls wait for the broker without a limit of their own.
func (l *link) bound(ctx context.Context, d time.Duration) (done func()) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(ctx, l.drop)
	return func() {
		stop()
		cancel()
	}
}

// drop closes the socket at once.
func (l *link) drop() { _ = l.socket.Close() } // it is given up

// hangUp closes the connection in order where the broker answers soon, else at once.
func (l *link) hangUp() {
	_ = l.CloseDeadline(time.Now().Add(time.Second)) // then the socket goes
	l.drop()
}
