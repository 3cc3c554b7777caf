// Package faults breaks servers and processes under a service that publishes, and has the history of what happened
// judged (package history). A Fault says what is done to what, what the run must show to count, and what is promised
// meanwhile; a Lab has the servers and the builds that runs share.
//
// One number decides what is random in a run. It is printed, and the same number makes the same calls and the same
// choices again; what the machine makes of them is its own.
package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/subject"
	"github.com/svcgen/svcgen/test/tap"
	"github.com/svcgen/svcgen/test/workload"
)

// topic is where events go: the brokers are the lab's own, so it may have any name.
const topic = "tally"

// smallDisk is how many bytes a database may have that is to fill its disk.
const smallDisk = 300 << 20

// Lab starts servers and builds services when they are first asked for, and keeps them.
type Lab struct {
	dir string

	mu            sync.Mutex
	postgres      *rig.Server
	mysql         *rig.Server
	smallPostgres *rig.Server
	brokers       map[string]*broker
	builds        map[string]*build
	closers       []func() error
}

// NewLab makes a lab that keeps its files in dir.
func NewLab(dir string) *Lab {
	return &Lab{dir: dir, brokers: map[string]*broker{}, builds: map[string]*build{}}
}

// Close stops all servers.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.brokers {
		if b.tap != nil {
			b.tap.Close()
		}
	}
	var errs []error
	for _, c := range l.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// build is a service that can be run.
type build struct {
	tree *subject.Tree
	bin  string
}

// build emits, patches and compiles the service for a stack, once for the same patches.
func (l *Lab) build(ctx context.Context, stack workload.Stack, patches []subject.Patch) (*build, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := fmt.Sprintf("%v %v", stack, patches)
	if b := l.builds[name]; b != nil {
		return b, nil
	}
	dir := filepath.Join(l.dir, fmt.Sprintf("tally%d", len(l.builds)))
	tree, err := workload.Emit(ctx, dir, stack, topic)
	if err != nil {
		return nil, err
	}
	if err := tree.Apply(patches...); err != nil {
		return nil, err
	}
	b := &build{tree: tree, bin: dir + ".bin"}
	if err := tree.Build(ctx, b.bin); err != nil {
		return nil, err
	}
	l.builds[name] = b
	return b, nil
}

// broker is a broker with the tap that reads it all along. Runs take turns to listen.
type broker struct {
	rabbit *rig.RabbitMQServer
	kafka  *rig.KafkaCluster
	tap    *tap.Tap

	mu   sync.Mutex
	sink func(tap.Message)
}

func (b *broker) listen(sink func(tap.Message)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sink = sink
}

func (b *broker) hear(m tap.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sink != nil {
		b.sink(m)
	}
}

// broker starts a broker of a kind, with so many nodes.
func (l *Lab) broker(ctx context.Context, kind string, nodes int) (*broker, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := fmt.Sprint(kind, nodes)
	if b := l.brokers[name]; b != nil {
		return b, nil
	}
	b := &broker{}
	var err error
	switch kind {
	case "rabbitmq":
		if b.rabbit, err = rig.StartRabbitMQ(ctx); err != nil {
			return nil, err
		}
		l.closers = append(l.closers, b.rabbit.Stop)
		b.tap, err = tap.RabbitMQ(ctx, b.rabbit.URL(), topic, b.hear)
	case "kafka":
		if b.kafka, err = rig.StartKafka(ctx, nodes); err != nil {
			return nil, err
		}
		l.closers = append(l.closers, b.kafka.Stop)
		b.tap, err = tap.Kafka(ctx, strings.Split(b.kafka.Brokers(), ","), topic, tap.Topic{Partitions: 6, Replication: int16(nodes)}, b.hear)
	default:
		return nil, fmt.Errorf("nobody knows how to start %q", kind)
	}
	if err != nil {
		return nil, err
	}
	l.brokers[name] = b
	return b, nil
}

// database is an empty database of one run.
type database struct {
	kind         string
	server       *rig.Server // nil for SQLite
	direct, wire string      // URLs: straight, and through the server's proxy
	*sql.DB                  // straight

}

// database makes one on the lab's server.
func (l *Lab) database(ctx context.Context, f Fault, b *build) (*database, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := rig.Unique("t")
	stack := f.Stack
	d := &database{kind: stack.Database}
	create := "CREATE DATABASE " + name
	switch stack.Database {
	case "postgres":
		where, start := &l.postgres, rig.StartPostgres
		if f.SmallDisk {
			where, start = &l.smallPostgres, func(ctx context.Context) (*rig.Server, error) { return rig.StartPostgresOn(ctx, smallDisk) }
		}
		s, err := l.server(ctx, where, start)
		if err != nil {
			return nil, err
		}
		d.server = s
		d.direct, d.wire = postgresURL(s.URL(), name), postgresURL(s.ProxyURL(), name)
		if err := execOn(ctx, "pgx", s.URL(), create); err != nil {
			return nil, err
		}
	case "mysql":
		s, err := l.server(ctx, &l.mysql, rig.StartMySQL)
		if err != nil {
			return nil, err
		}
		d.server = s
		d.direct, d.wire = mysqlDSN(s.URL(), name), mysqlDSN(s.ProxyURL(), name)
		if err := execOn(ctx, "mysql", s.URL(), create); err != nil {
			return nil, err
		}
	case "sqlite":
		d.direct = filepath.Join(l.dir, name+".db")
		d.wire = d.direct
	}
	if _, err := b.tree.Command(ctx, b.bin, b.tree.Env("DATABASE_URL="+d.direct), "migrate"); err != nil {
		return nil, err
	}
	var err error
	d.DB, err = workload.Open(stack, d.direct)
	return d, err
}

func (l *Lab) server(ctx context.Context, s **rig.Server, start func(context.Context) (*rig.Server, error)) (*rig.Server, error) {
	if *s == nil {
		started, err := start(ctx)
		if err != nil {
			return nil, err
		}
		*s = started
		l.closers = append(l.closers, started.Stop)
	}
	return *s, nil
}

func postgresURL(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err) // it is the rig's
	}
	u.Path = "/" + name
	return u.String()
}

func mysqlDSN(server, name string) string {
	config, err := mysql.ParseDSN(server)
	if err != nil {
		panic(err) // it is the rig's
	}
	config.DBName = name
	return config.FormatDSN()
}

func execOn(ctx context.Context, driver, url, statement string) error {
	db, err := sql.Open(driver, url)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // a connection of the lab's own
	_, err = db.ExecContext(ctx, statement)
	return err
}

// Run does one fault to one service and judges the history, which is written to the file named by path.
func (l *Lab) Run(ctx context.Context, f Fault, seed uint64, path string) (*history.Verdict, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	err = l.record(ctx, f, seed, file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("%s (seed %d): %w", f.Name, seed, err)
	}
	if file, err = os.Open(path); err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only
	return history.Check(file)
}

// runLimit is how long a run may take; most take ten seconds.
const runLimit = 3 * time.Minute
