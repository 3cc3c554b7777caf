package rig

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
)

// shared is the server that this process's tests share when the environment names none. It is never stopped by
// a test: its keeper ends it with the process.
type shared struct {
	once sync.Once
	url  string
	err  error
}

// pool holds the shared servers of this process. It is the one piece of package state: `go test` gives tests of a
// package no common owner that could hold it.
var pool = map[string]*shared{EnvPostgres: {}, EnvMySQL: {}, EnvRabbitMQ: {}, EnvKafka: {}}

// Postgres returns the URL of an empty database of t's own, dropped when t ends.
func Postgres(t testing.TB) string {
	t.Helper()
	return ownPostgresDatabase(t, obtain(t, EnvPostgres, func(ctx context.Context) (string, error) {
		s, err := StartPostgres(ctx)
		if err != nil {
			return "", err
		}
		return s.URL(), nil
	}))
}

// MySQL returns the DSN of an empty database of t's own, dropped when t ends.
func MySQL(t testing.TB) string {
	t.Helper()
	return ownMySQLDatabase(t, obtain(t, EnvMySQL, func(ctx context.Context) (string, error) {
		s, err := StartMySQL(ctx)
		if err != nil {
			return "", err
		}
		return s.URL(), nil
	}))
}

// RabbitMQ returns the URL of a shared broker. Tests name their exchanges and queues with Unique.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	return obtain(t, EnvRabbitMQ, func(ctx context.Context) (string, error) {
		s, err := StartRabbitMQ(ctx)
		if err != nil {
			return "", err
		}
		return s.URL(), nil
	})
}

// Kafka returns the seed brokers of a shared cluster. Tests name their topics with Unique.
func Kafka(t testing.TB) string {
	t.Helper()
	return obtain(t, EnvKafka, func(ctx context.Context) (string, error) {
		c, err := StartKafka(ctx, 1)
		if err != nil {
			return "", err
		}
		return c.Brokers(), nil
	})
}

func obtain(t testing.TB, env string, start func(context.Context) (string, error)) string {
	t.Helper()
	if url := os.Getenv(env); url != "" {
		return url
	}
	s := pool[env]
	s.once.Do(func() { s.url, s.err = installAndStart(start) })
	Need(t, s.err)
	return s.url
}

// Private is for tests that hurt their server: it starts one with start (StartPostgres, …) and stops it when t ends.
func Private[S interface{ Stop() error }](t testing.TB, start func(context.Context) (S, error)) S {
	t.Helper()
	s, err := installAndStart(start)
	Need(t, err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop server: %v", err)
		}
	})
	return s
}

// installAndStart installs what is missing only in CI: tests do not change a person's machine.
func installAndStart[S any](start func(context.Context) (S, error)) (S, error) {
	ctx := context.Background()
	s, err := start(ctx)
	if errors.Is(err, ErrUnavailable) && inCI() {
		if err := Install(ctx, io.Discard); err != nil {
			return s, err
		}
		return start(ctx)
	}
	return s, err
}

// Need lets a person's run go on without a server that cannot be had, and fails in CI.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && !inCI():
		t.Skipf("SKIPPED, NOT PROVEN HERE: %v; `go run ./test/rig/cmd/rig install` as root gets it", err)
	default:
		t.Fatalf("test rig: %v", err)
	}
}

func inCI() bool { return os.Getenv("CI") == "true" }
