package rig

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/svcgen/svcgen/test/rig/tcpproxy"
)

// KafkaCluster is a private Apache Kafka in KRaft mode; every node is broker and controller.
type KafkaCluster struct {
	Nodes []*Server // node i has id i+1
}

// Brokers leads straight to the nodes: host:port,host:port.
func (c *KafkaCluster) Brokers() string { return c.join((*Server).URL) }

// ProxyBrokers leads to the nodes through their proxies, also after the client has learnt the advertised addresses.
func (c *KafkaCluster) ProxyBrokers() string { return c.join((*Server).ProxyURL) }

func (c *KafkaCluster) join(url func(*Server) string) string {
	urls := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		urls[i] = url(n)
	}
	return strings.Join(urls, ",")
}

// Stop ends all nodes and removes their data.
func (c *KafkaCluster) Stop() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	return errors.Join(errs...)
}

// StartKafka starts a private cluster of one or three nodes.
func StartKafka(ctx context.Context, nodes int) (*KafkaCluster, error) {
	return startKafka(ctx, nodes, false)
}

// StartKafkaTLS starts one of one node that takes TLS and SecureUser, by PLAIN or SCRAM-SHA-256, only. Its proxy stays
// in plaintext.
func StartKafkaTLS(ctx context.Context) (*KafkaCluster, error) { return startKafka(ctx, 1, true) }

func startKafka(ctx context.Context, nodes int, secure bool) (*KafkaCluster, error) {
	java, err := lookPath("java")
	if err != nil {
		return nil, fmt.Errorf("%w: java, for Kafka (apt-get install default-jdk-headless)", ErrUnavailable)
	}
	jars, err := kafkaJars()
	if err != nil {
		return nil, err
	}
	c := &KafkaCluster{}
	layouts, err := c.layOut(nodes)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	var wg sync.WaitGroup
	errs := make([]error, nodes)
	for i, n := range c.Nodes {
		wg.Go(func() {
			properties := layouts[i].properties(n, layouts, nodes)
			if secure {
				if errs[i] = n.certify(""); errs[i] != nil {
					return
				}
				properties = secureKafka(n, properties)
			}
			errs[i] = startKafkaNode(ctx, n, java, jars, properties)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// kafkaLayout is what a node's configuration names beside its own address.
type kafkaLayout struct{ id, proxied, controller string }

func (c *KafkaCluster) layOut(nodes int) ([]kafkaLayout, error) {
	var layouts []kafkaLayout
	for i := range nodes {
		s, err := newServer("kafka", func(addr string) string { return addr })
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, s)
		l := kafkaLayout{id: fmt.Sprint(i + 1)}
		if l.controller, err = s.claimAddr(); err != nil {
			return nil, err
		}
		// A client is sent to the address the node advertises for the listener it came in by. So the proxy needs
		// a listener of its own, else clients would leave it after their first request.
		if l.proxied, err = s.claimAddr(); err != nil {
			return nil, err
		}
		if err := s.proxy.Close(); err != nil {
			return nil, err
		}
		if s.proxy, err = tcpproxy.Listen("127.0.0.1:0", l.proxied); err != nil {
			return nil, err
		}
		layouts = append(layouts, l)
	}
	return layouts, nil
}

func (l kafkaLayout) properties(s *Server, all []kafkaLayout, nodes int) string {
	voters := make([]string, len(all))
	for i, o := range all {
		voters[i] = o.id + "@" + o.controller
	}
	replicas := fmt.Sprint(nodes)
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=" + l.id,
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=DIRECT",
		"listeners=DIRECT://" + s.addr + ",PROXIED://" + l.proxied + ",CONTROLLER://" + l.controller,
		"advertised.listeners=DIRECT://" + s.addr + ",PROXIED://" + s.proxy.Addr(),
		"listener.security.protocol.map=DIRECT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(s.dir, "data"),
		"auto.create.topics.enable=false",
		"default.replication.factor=" + replicas,
		"min.insync.replicas=" + fmt.Sprint(nodes/2+1),
		"offsets.topic.replication.factor=" + replicas,
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=" + replicas,
		"transaction.state.log.min.isr=" + fmt.Sprint(nodes/2+1),
		"group.initial.rebalance.delay.ms=0",
		// A killed node of three should be voted out within seconds, not half a minute.
		"broker.session.timeout.ms=3000",
		"broker.heartbeat.interval.ms=500",
		"controller.quorum.election.timeout.ms=1000",
		"controller.quorum.fetch.timeout.ms=2000",
	}, "\n") + "\n"
}

// secureKafka changes the direct listener. The brokers' own way is then the other one.
func secureKafka(s *Server, properties string) string {
	properties = strings.ReplaceAll(properties, "DIRECT:PLAINTEXT", "DIRECT:SASL_SSL")
	properties = strings.ReplaceAll(properties, "inter.broker.listener.name=DIRECT", "inter.broker.listener.name=PROXIED")
	return properties + strings.Join([]string{
		"listener.name.direct.ssl.keystore.type=PEM",
		"listener.name.direct.ssl.keystore.location=" + s.tlsFile("keystore.pem"),
		"listener.name.direct.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
		`listener.name.direct.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_` + SecureUser + `="` + SecurePassword + `";`,
		"listener.name.direct.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
	}, "\n") + "\n"
}

// kafkaClusterID is any base64 of 16 bytes; the nodes of one cluster must agree on it.
const kafkaClusterID = "c3ZjZ2VuLXJpZy1rYWZrYQ"

func startKafkaNode(ctx context.Context, s *Server, java, jars, properties string) error {
	config := filepath.Join(s.dir, "server.properties")
	if err := os.WriteFile(config, []byte(properties), 0o644); err != nil {
		return err
	}
	jvm := []string{
		"-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-cp", filepath.Join(jars, "*"),
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	// A JVM that lives for a second must not spend it on optimising.
	format := append(append([]string{"-XX:TieredStopAtLevel=1"}, jvm...), "kafka.tools.StorageTool", "format", "-t", kafkaClusterID, "-c", config,
		"--add-scram", "SCRAM-SHA-256=[name="+SecureUser+",password="+SecurePassword+"]")
	if err := run(ctx, command{path: java, args: format, env: env}); err != nil {
		return err
	}
	s.command = command{
		path: java, env: env,
		args:  append(append([]string{}, jvm...), "kafka.Kafka", config),
		ready: "Kafka Server started",
	}
	return s.Start(ctx)
}

//go:embed kafka/pom.xml
var kafkaPOM []byte

// kafkaJars is the folder of the fetched artifacts; it is named by the pom's hash, so another version is another folder.
func kafkaJars() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(kafkaPOM)
	dir := filepath.Join(cache, "kafka-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err != nil {
		return dir, fmt.Errorf("%w: Kafka is not fetched yet (go run ./test/rig/cmd/rig install)", ErrUnavailable)
	}
	return dir, nil
}

// fetchKafka lets Maven resolve the pom and copy the jars; the folder appears complete or not at all.
func fetchKafka(ctx context.Context, out io.Writer) error {
	dir, err := kafkaJars()
	if err == nil {
		return nil
	}
	if dir == "" {
		return err
	}
	mvn, err := lookPath("mvn")
	if err != nil {
		return fmt.Errorf("%w: mvn, to fetch Kafka (apt-get install maven)", ErrUnavailable)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left is only clutter in a cache
	pom := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(pom, kafkaPOM, 0o644); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "rig: fetching Apache Kafka with Maven")
	jars := filepath.Join(work, "jars")
	err = run(ctx, command{path: mvn, env: os.Environ(), args: []string{
		"-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=" + jars,
	}})
	if err != nil {
		return fmt.Errorf("fetch Kafka: %w", err)
	}
	return os.Rename(jars, dir)
}
