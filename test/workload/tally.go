// Package workload makes a service publish, and writes down what it was told: writers that share keys, calls that
// commit, fail, panic, are cancelled and run out of time.
//
// The service, tally, is emitted for any database and broker and has hand-written handlers, as a user's has: each call
// counts one more for a key in one row, adds a row of its own, and emits an event with the number. What the database
// holds at the end says which calls were committed.
package workload

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	_ "modernc.org/sqlite"             // registers the driver "sqlite"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/subject"
	"github.com/svcgen/svcgen/test/tap"
)

//go:embed all:testdata/tally
var files embed.FS

// Stack is what a service runs on, in the manifest's words.
type Stack struct{ Database, Broker string }

func (s Stack) String() string { return s.Database + "+" + s.Broker }

// Emit makes the service tally for a stack in dir, with its handlers and tables. Its events go to topic.
func Emit(ctx context.Context, dir string, stack Stack, topic string) (*subject.Tree, error) {
	part := func(name string) fs.FS {
		sub, err := fs.Sub(files, path.Join("testdata/tally", name))
		if err != nil {
			panic(err) // the name is not a path
		}
		return sub
	}
	tree, err := subject.Emit(ctx, dir, part("input"),
		"database: sqlite", "database: "+stack.Database, "broker: memory", "broker: "+stack.Broker, "topic: tally", "topic: "+topic)
	if err != nil {
		return nil, err
	}
	for _, overlay := range []string{"common", stack.Database} {
		if err := tree.Overlay(part(overlay)); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// Event is the record of a message that a tap got from tally.
func Event(tree *subject.Tree, m tap.Message) (history.Record, error) {
	ev, err := tree.Decode(m.Type, m.Body)
	if err != nil {
		return history.Record{}, err
	}
	fields := ev.Descriptor().Fields()
	rec := history.Record{
		Kind: history.Tap, ID: m.ID, Sum: fmt.Sprintf("%08x", crc32.ChecksumIEEE(m.Body)),
		Op: ev.Get(fields.ByName("op")).String(), Version: ev.Get(fields.ByName("version")).Int(), Key: m.Key,
	}
	if key := ev.Get(fields.ByName("key")).String(); key != m.Key {
		return rec, fmt.Errorf("the event's key is %s, the message's %s", key, m.Key)
	}
	return rec, nil
}

// Open opens the database that a service of the stack is pointed to by target.
func Open(stack Stack, target string) (*sql.DB, error) {
	switch stack.Database {
	case "postgres":
		return sql.Open("pgx", target)
	case "mysql":
		config, err := mysql.ParseDSN(target)
		if err != nil {
			return nil, err
		}
		config.Logger = &mysql.NopLogger{} // that the server was killed is no news
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	case "sqlite":
		return sql.Open("sqlite", "file:"+(&url.URL{Path: target}).EscapedPath()+"?_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	}
	return nil, fmt.Errorf("nobody knows how to read %q", stack.Database)
}

// Final writes down what the database holds of the keys that begin with prefix: the rows, the counters, and what is
// left to publish.
func Final(ctx context.Context, tree *subject.Tree, db *sql.DB, stack Stack, prefix string, rec *history.Recorder) error {
	column := "key"
	if stack.Database == "mysql" {
		column = "`key`"
	}
	like := column + " LIKE '" + strings.ReplaceAll(prefix, "_", "\\_") + "%'"
	if stack.Database == "sqlite" {
		like += ` ESCAPE '\'`
	}
	var op, key string
	var version int64
	err := rows(ctx, db, "SELECT op, "+column+", version FROM entry WHERE "+like, func() {
		rec.Add(history.Record{Kind: history.Entry, Op: op, Key: key, Version: version})
	}, &op, &key, &version)
	if err != nil {
		return err
	}
	err = rows(ctx, db, "SELECT "+column+", version FROM total WHERE "+like, func() {
		rec.Add(history.Record{Kind: history.Total, Key: key, Version: version})
	}, &key, &version)
	if err != nil {
		return err
	}
	var eventType string
	var payload []byte
	dead := 0
	var undecoded error
	err = rows(ctx, db, "SELECT type, payload FROM outbox_dead", func() {
		dead++
		ev, err := tree.Decode(eventType, payload)
		if err != nil {
			undecoded = err
			return
		}
		rec.Add(history.Record{Kind: history.Letter, Op: ev.Get(ev.Descriptor().Fields().ByName("op")).String()})
	}, &eventType, &payload)
	if err = errors.Join(err, undecoded); err != nil {
		return err
	}
	var pending int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM outbox").Scan(&pending); err != nil {
		return err
	}
	rec.Add(history.Record{Kind: history.Outbox, Pending: pending, Dead: dead})
	return nil
}

func rows(ctx context.Context, db *sql.DB, query string, each func(), into ...any) error {
	found, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = found.Close() }() // Err has the error
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return err
		}
		each()
	}
	return found.Err()
}
