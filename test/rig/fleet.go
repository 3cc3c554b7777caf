package rig

import (
	"context"
	"errors"
	"os"
	"sync"
)

// Fleet is one server of each kind, started together.
type Fleet struct {
	stops []func() error
	env   []string
}

// StartFleet starts what the environment does not name already. When one server cannot start, none stays.
func StartFleet(ctx context.Context) (*Fleet, error) {
	type part struct {
		env   string
		start func() (url string, stop func() error, err error)
	}
	parts := []part{
		{EnvPostgres, func() (string, func() error, error) { return started(StartPostgres(ctx)) }},
		{EnvMySQL, func() (string, func() error, error) { return started(StartMySQL(ctx)) }},
		{EnvRabbitMQ, func() (string, func() error, error) {
			r, err := StartRabbitMQ(ctx)
			if err != nil {
				return "", nil, err
			}
			return r.URL(), r.Stop, nil
		}},
		{EnvKafka, func() (string, func() error, error) {
			c, err := StartKafka(ctx, 1)
			if err != nil {
				return "", nil, err
			}
			return c.Brokers(), c.Stop, nil
		}},
	}
	f := &Fleet{}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, p := range parts {
		if os.Getenv(p.env) != "" {
			continue
		}
		wg.Go(func() {
			url, stop, err := p.start()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			f.env = append(f.env, p.env+"="+url)
			f.stops = append(f.stops, stop)
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, f.Stop())...)
	}
	return f, nil
}

func started(s *Server, err error) (string, func() error, error) {
	if err != nil {
		return "", nil, err
	}
	return s.URL(), s.Stop, nil
}

// Env is what leads tests to the servers, as NAME=value.
func (f *Fleet) Env() []string { return f.env }

// Stop ends the servers and removes their data.
func (f *Fleet) Stop() error {
	errs := make([]error, len(f.stops))
	for i, stop := range f.stops {
		errs[i] = stop()
	}
	return errors.Join(errs...)
}
