// Command run measures the running service beside hand-written code and other libraries, each pair in one interleaved
// and shuffled run.
//
// In: real servers, those the environment names or else started by package rig. Out: Markdown tables, the goals of the
// service and how far they are reached, and a picture of that. It measures emitted packages as they stand in
// templates/service, and has no knobs that a service would not have.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/svcgen/svcgen/test/rig"
	"github.com/zeromicro/go-zero/core/logx"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		out := os.Stdout
		os.Stdout = os.Stderr // go-zero and kratos write there what they please
		exit(serve(os.Args[2], os.Stdin, out))
		return
	}
	logx.Disable() // go-zero reports its process's usage every minute
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		printf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// section is one table or several that belong together.
type section struct {
	name    string
	servers bool // it needs them
	run     func(ctx context.Context, b *bench) error
}

var sections = []section{
	{"tx-postgres", true, txPostgres},
	{"tx-mariadb", true, txMariaDB},
	{"drain-rabbitmq", true, drainRabbitMQ},
	{"drain-kafka", true, drainKafka},
	{"snapshot", true, heldSnapshot},
	{"steady", true, steadyState},
	{"latency", true, commitToConfirm},
	{"grpc", false, grpcPath},
	{"sqlite", false, sharedCommits},
}

// bench is one run.
type bench struct {
	rounds int
	scale  float64 // of times and amounts; 1 is the full run
	match  *regexp.Regexp
	log    io.Writer
	rand   *rand.Rand
	env    servers
	tables []*table
}

// lasts is how long one turn of something that could go on for ever takes.
func (b *bench) lasts(full time.Duration) time.Duration {
	return time.Duration(b.scale * float64(full))
}

// amount is how much of something is used up in one turn.
func (b *bench) amount(full int) int { return max(int(b.scale*float64(full)), 1000) }

// servers are where the real servers are.
type servers struct {
	postgres, mysql, rabbitmq string
	kafka                     []string
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "sections, separated by commas; all of "+strings.Join(names, ","))
	match := flags.String("match", "", "only the variants whose names it matches, a regular expression")
	rounds := flags.Int("rounds", 5, "turns of each variant")
	scale := flags.Float64("scale", 1, "length of a turn; the full run takes about twenty minutes")
	short := flags.Bool("short", false, "about three minutes, for development: -rounds 2 -scale 0.25")
	seed := flags.Uint64("seed", uint64(time.Now().UnixNano()), "of the shuffling")
	profile := flags.String("cpuprofile", "", "file to write a CPU profile of this process to")
	picture := flags.String("svg", "", "file to write the picture of the goals to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *short {
		*rounds, *scale = 2, 0.25
	}
	wanted := names
	if *only != "" {
		wanted = strings.Split(*only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return fmt.Errorf("no section %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	env, stop := servers{}, func() {}
	if slices.ContainsFunc(sections, func(s section) bool { return s.servers && slices.Contains(wanted, s.name) }) {
		var err error
		if env, stop, err = startServers(ctx); err != nil {
			return err
		}
	}
	defer func() { stop() }()
	pattern, err := regexp.Compile(*match)
	if err != nil {
		return err
	}
	b := &bench{match: pattern, rounds: *rounds, scale: *scale, log: log, rand: rand.New(rand.NewPCG(*seed, 0)), env: env}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	began, load := time.Now(), loadAverage()
	for _, s := range sections {
		if slices.Contains(wanted, s.name) && ctx.Err() == nil {
			if err := s.run(ctx, b); err != nil {
				printf(log, "bench: %s: %v\n", s.name, err)
			}
		}
	}
	printf(out, "%s/%s, %d CPUs, %s; %d rounds, scale %g, seed %d; load average %s before and %s after %s.\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), b.rounds, b.scale, *seed,
		load, loadAverage(), time.Since(began).Round(time.Second))
	for _, t := range b.tables {
		t.write(out)
	}
	standings := b.standings()
	writeGoals(out, standings)
	if *picture != "" {
		return os.WriteFile(*picture, drawGoals(standings), 0o644)
	}
	return nil
}

// startServers starts what the environment does not name.
func startServers(ctx context.Context) (servers, func(), error) {
	fleet, err := rig.StartFleet(ctx)
	if err != nil {
		return servers{}, nil, err
	}
	value := func(name string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		for _, e := range fleet.Env() {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
	env := servers{
		postgres: value(rig.EnvPostgres), mysql: value(rig.EnvMySQL), rabbitmq: value(rig.EnvRabbitMQ),
		kafka: strings.Split(value(rig.EnvKafka), ","),
	}
	return env, func() {
		if err := fleet.Stop(); err != nil {
			printf(os.Stderr, "bench: %v\n", err)
		}
	}, nil
}
