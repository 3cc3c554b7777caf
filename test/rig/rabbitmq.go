package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// RabbitMQServer is a private RabbitMQ node with its control program.
type RabbitMQServer struct {
	*Server
	bin string
	env []string
}

// StartRabbitMQ starts a private RabbitMQ node with the guest user and the default virtual host.
func StartRabbitMQ(ctx context.Context) (*RabbitMQServer, error) { return startRabbitMQ(ctx, false) }

// StartRabbitMQTLS starts one that takes TLS and SecureUser with a password only.
func StartRabbitMQTLS(ctx context.Context) (*RabbitMQServer, error) { return startRabbitMQ(ctx, true) }

func startRabbitMQ(ctx context.Context, secure bool) (*RabbitMQServer, error) {
	bin, err := rabbitmqBin()
	if err != nil {
		return nil, err
	}
	s, err := newServer("rabbitmq", func(addr string) string { return "amqp://guest:guest@" + addr + "/" })
	if err != nil {
		return nil, err
	}
	r := &RabbitMQServer{Server: s, bin: bin}
	if err := r.configure(secure); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	// epmd would become a daemon and outlive us when beam starts it, so it is run beside beam in the same group.
	s.command = command{
		path: "/bin/sh", env: r.env,
		args: []string{"-c", `epmd & exec "$0"`, filepath.Join(bin, "rabbitmq-server")},
		// The line comes before the listeners of some plugins, after the one for AMQP.
		ready: "Server startup complete",
	}
	if _, err := s.launch(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// configure fixes every path and port, so that neither another node on this machine nor /etc/rabbitmq has a say.
func (r *RabbitMQServer) configure(secure bool) error {
	var ports [2]string
	for i := range ports {
		addr, err := r.claimAddr()
		if err != nil {
			return err
		}
		ports[i] = portOf(addr)
	}
	at := func(name string) string { return filepath.Join(r.dir, name) }
	for _, name := range []string{"rabbitmq-env.conf", "enabled_plugins"} {
		content := ""
		if name == "enabled_plugins" {
			content = "[].\n"
		}
		if err := os.WriteFile(at(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	// The default of 40 % of memory would let a test node take half a small machine before it blocks.
	conf := "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\nloopback_users = none\nlog.console.level = info\n"
	listener := []string{"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT=" + portOf(r.addr)}
	if secure {
		if err := r.certify(""); err != nil {
			return err
		}
		listener = nil // of plaintext
		conf += "listeners.tcp = none\nlisteners.ssl.default = " + r.addr + "\nssl_options.cacertfile = " + r.CA() +
			"\nssl_options.certfile = " + r.tlsFile("cert.pem") + "\nssl_options.keyfile = " + r.tlsFile("key.pem") +
			"\nssl_options.verify = verify_none\ndefault_user = " + SecureUser + "\ndefault_pass = " + SecurePassword + "\n"
	}
	if err := os.WriteFile(at("rabbitmq.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	r.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LANG=C.UTF-8",
		"RABBITMQ_NODENAME=rig" + portOf(r.addr) + "@localhost",
		"RABBITMQ_DIST_PORT=" + ports[0],
		"ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + ports[1],
		"RABBITMQ_CONF_ENV_FILE=" + at("rabbitmq-env.conf"), "RABBITMQ_CONFIG_FILE=" + at("rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + at("enabled_plugins"), "RABBITMQ_PID_FILE=" + at("pid"),
		"RABBITMQ_MNESIA_BASE=" + at("mnesia"), "RABBITMQ_LOG_BASE=" + at("log"), "RABBITMQ_LOGS=-",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}, listener...)
	return nil
}

// Ctl runs rabbitmqctl against this node and returns what it printed.
func (r *RabbitMQServer) Ctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "rabbitmqctl"), append([]string{"-q"}, args...)...)
	cmd.Env = r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// rabbitmqBin finds the node's own scripts: those in the path are Debian's wrappers, which insist on the system user.
func rabbitmqBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/rabbitmq/bin/rabbitmq-server")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%w: RabbitMQ (apt-get install rabbitmq-server)", ErrUnavailable)
	}
	return filepath.Dir(found[0]), nil
}
