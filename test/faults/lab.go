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
	"slices"
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

	postgres, smallPostgres, mysql lazy[*rig.Server]

	mu      sync.Mutex
	brokers map[string]*lazy[*broker]
	builds  map[string]*lazy[*build]
	closers []func() error
}

// lazy is made when it is first asked for, by whoever asks first.
type lazy[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (l *lazy[T]) get(create func() (T, error)) (T, error) {
	l.once.Do(func() { l.value, l.err = create() })
	return l.value, l.err
}

// NewLab makes a lab that keeps its files in dir.
func NewLab(dir string) *Lab {
	return &Lab{dir: dir, brokers: map[string]*lazy[*broker]{}, builds: map[string]*lazy[*build]{}}
}

// Close stops all servers.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(l.closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

func (l *Lab) onClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// Prepare starts and builds, all at once, what faults will need.
func (l *Lab) Prepare(ctx context.Context, faults []Fault) error {
	var servers sync.WaitGroup
	var errs errorList
	for _, f := range faults {
		servers.Go(func() { _, err := l.broker(ctx, f.Stack.Broker, max(f.Nodes, 1)); errs.add(err) })
		servers.Go(func() { _, err := l.server(ctx, f); errs.add(err) })
	}
	// One after the other: the first one compiles what all of them share.
	for _, f := range faults {
		_, err := l.build(ctx, f.Stack, f.Patches)
		errs.add(err)
	}
	servers.Wait()
	return errs.err()
}

// errorList collects errors of goroutines.
type errorList struct {
	mu   sync.Mutex
	list []error
}

func (e *errorList) add(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, err)
}

func (e *errorList) err() error { return errors.Join(e.list...) }

// build is a service that can be run.
type build struct {
	tree *subject.Tree
	bin  string
}

// build emits, patches and compiles the service for a stack, once for the same patches.
func (l *Lab) build(ctx context.Context, stack workload.Stack, patches []subject.Patch) (*build, error) {
	l.mu.Lock()
	name := fmt.Sprintf("%v %v", stack, patches)
	b := l.builds[name]
	if b == nil {
		b = &lazy[*build]{}
		l.builds[name] = b
	}
	dir := filepath.Join(l.dir, fmt.Sprintf("tally%d", len(l.builds)))
	l.mu.Unlock()
	return b.get(func() (*build, error) {
		tree, err := workload.Emit(ctx, dir, stack, topic)
		if err != nil {
			return nil, err
		}
		if err := tree.Apply(patches...); err != nil {
			return nil, err
		}
		b := &build{tree: tree, bin: dir + ".bin"}
		return b, tree.Build(ctx, b.bin)
	})
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
	name := fmt.Sprint(kind, nodes)
	started := l.brokers[name]
	if started == nil {
		started = &lazy[*broker]{}
		l.brokers[name] = started
	}
	l.mu.Unlock()
	return started.get(func() (*broker, error) { return l.startBroker(ctx, kind, nodes) })
}

func (l *Lab) startBroker(ctx context.Context, kind string, nodes int) (b *broker, err error) {
	b = &broker{}
	switch kind {
	case "rabbitmq":
		if b.rabbit, err = rig.StartRabbitMQ(ctx); err != nil {
			return nil, err
		}
		l.onClose(b.rabbit.Stop)
		b.tap, err = tap.RabbitMQ(ctx, b.rabbit.URL(), topic, b.hear)
	case "kafka":
		if b.kafka, err = rig.StartKafka(ctx, nodes); err != nil {
			return nil, err
		}
		l.onClose(b.kafka.Stop)
		b.tap, err = tap.Kafka(ctx, strings.Split(b.kafka.Brokers(), ","), topic, tap.Topic{Partitions: 6, Replication: int16(nodes)}, b.hear)
	default:
		err = fmt.Errorf("nobody knows how to start %q", kind)
	}
	if err != nil {
		return nil, err
	}
	l.onClose(func() error {
		b.tap.Close()
		return nil
	})
	return b, nil
}

// server starts the database server of a fault; nil for SQLite, which needs none.
func (l *Lab) server(ctx context.Context, f Fault) (*rig.Server, error) {
	where, start := &l.postgres, rig.StartPostgres
	switch {
	case f.Stack.Database == "sqlite":
		return nil, nil
	case f.Stack.Database == "mysql":
		where, start = &l.mysql, rig.StartMySQL
	case f.SmallDisk:
		where, start = &l.smallPostgres, func(ctx context.Context) (*rig.Server, error) { return rig.StartPostgresOn(ctx, smallDisk) }
	}
	return where.get(func() (*rig.Server, error) {
		s, err := start(ctx)
		if err == nil {
			l.onClose(s.Stop)
		}
		return s, err
	})
}

// database is an empty database of one run.
type database struct {
	kind         string
	server       *rig.Server // nil for SQLite
	direct, wire string      // URLs: straight, and through the server's proxy
	*sql.DB                  // straight
}

// column is what a query has in its only column.
func column[T any](ctx context.Context, d *database, query string) (values []T, err error) {
	rows, err := d.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err has the error
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}

// database makes one on the lab's server.
func (l *Lab) database(ctx context.Context, f Fault, b *build) (*database, error) {
	s, err := l.server(ctx, f)
	if err != nil {
		return nil, err
	}
	name := rig.Unique("t")
	d := &database{kind: f.Stack.Database, server: s}
	create := "CREATE DATABASE " + name
	switch d.kind {
	case "postgres":
		d.direct, d.wire = postgresURL(s.URL(), name, "application_name="+labName), postgresURL(s.ProxyURL(), name, "")
		err = execOn(ctx, "pgx", s.URL(), create)
	case "mysql":
		d.direct, d.wire = mysqlDSN(s.URL(), name), mysqlDSN(s.ProxyURL(), name)
		err = execOn(ctx, "mysql", s.URL(), create)
	case "sqlite":
		d.direct = filepath.Join(l.dir, name+".db")
		d.wire = d.direct
	}
	if err != nil {
		return nil, err
	}
	if _, err := b.tree.Command(ctx, b.bin, b.tree.Env("DATABASE_URL="+d.direct), "migrate"); err != nil {
		return nil, err
	}
	d.DB, err = workload.Open(f.Stack, d.direct)
	return d, err
}

// labName is what the lab's own connections to PostgreSQL are called.
const labName = "lab"

func postgresURL(server, name, setting string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err) // it is the rig's
	}
	u.Path = "/" + name
	if setting != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+setting, "&")
	}
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
	return check(path)
}

// runLimit is how long a run may take; most take ten seconds, but a loaded machine takes minutes to start a server.
const runLimit = 6 * time.Minute
