package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// sample is what one run of a job cost.
type sample struct {
	Wall time.Duration `json:"wall_ns"`
	CPU  time.Duration `json:"cpu_ns"`     // user + system, of the process and the children it waited for
	Peak int64         `json:"peak_bytes"` // resident set of the largest of them
}

// series is every run of one job on one size. Failed is why there is none.
type series struct {
	Case    string   `json:"case"`
	Methods int      `json:"methods"`
	Job     string   `json:"job"`
	Samples []sample `json:"samples"`
	Failed  string   `json:"failed,omitempty"`
}

type bench struct {
	work     string
	tools    tools
	rounds   int
	seed     uint64
	progress io.Writer

	series []*series
	trees  map[string]tree // by case
}

// tree is the size of an emitted service.
type tree struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (b *bench) all(ctx context.Context, sizes []size) error {
	b.trees = map[string]tree{}
	order := rand.New(rand.NewPCG(b.seed, 0))
	for _, s := range sizes {
		if err := b.one(ctx, s, order); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// one measures every job of s. Of all but the largest, a first, uncounted run warms the page cache and shows what fails.
func (b *bench) one(ctx context.Context, s size, order *rand.Rand) error {
	protos, scratch := filepath.Join(b.work, s.String(), "protos"), filepath.Join(b.work, s.String(), "out")
	if err := s.writeProtos(protos); err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return err
	}
	trees := []string{"kept"}
	if s.changes() {
		for _, r := range regens {
			trees = append(trees, r.name)
		}
	}
	for _, name := range trees { // where it fails, the jobs that need them fail too, and say so
		argv := []string{b.tools.svcgen, "new", "svcgen.yaml", "--out", folder(scratch, name)}
		if _, err := (job{name: "svcgen new", argv: argv, dir: protos}).run(ctx); err != nil {
			_, _ = fmt.Fprintf(b.progress, "%s: %v\n", s, err)
			continue
		}
		t, err := weigh(folder(scratch, name))
		if err != nil {
			return err
		}
		b.trees[s.String()] = t
	}

	jobs := b.tools.jobs(s, protos, scratch)
	all := make([]*series, len(jobs))
	for i, j := range jobs {
		all[i] = &series{Case: s.String(), Methods: s.total(), Job: j.name}
		if err := j.first(ctx, s.total() <= 1000); err != nil {
			all[i].Failed = err.Error()
		}
	}
	b.series = append(b.series, all...)
	rounds := b.rounds
	switch {
	case s.total() > 1000:
		rounds = min(rounds, 2)
	case s.total() > 200:
		rounds = min(rounds, 3)
	}
	for round := range rounds {
		_, _ = fmt.Fprintf(b.progress, "%s: round %d of %d\n", s, round+1, rounds)
		for _, i := range order.Perm(len(jobs)) {
			if all[i].Failed != "" {
				continue
			}
			m, err := jobs[i].run(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				all[i].Failed = err.Error()
				continue
			}
			all[i].Samples = append(all[i].Samples, m)
		}
	}
	return os.RemoveAll(scratch) // ten thousand methods are a large tree
}

// first prepares the job, and runs it if it is to be warmed up.
func (j job) first(ctx context.Context, warm bool) error {
	if j.prepare != nil {
		if err := j.prepare(ctx); err != nil {
			return err
		}
	}
	if !warm {
		return nil
	}
	_, err := j.run(ctx)
	return err
}

// run runs the job once.
func (j job) run(ctx context.Context) (sample, error) {
	if j.before != nil {
		if err := j.before(ctx); err != nil {
			return sample{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.argv[0], j.argv[1:]...)
	cmd.Dir = j.dir
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w: %s", j.name, err, brief(text.Bytes()))
	}
	if !bytes.Contains(text.Bytes(), []byte(j.wants)) {
		return sample{}, fmt.Errorf("%s: printed %q, not %q", j.name, brief(text.Bytes()), j.wants)
	}
	state := cmd.ProcessState
	return sample{Wall: wall, CPU: state.UserTime() + state.SystemTime(), Peak: peak(state)}, nil
}

// brief is what a program printed, as one line that fits a table's note.
func brief(text []byte) string {
	const enough = 300
	line := strings.Join(strings.Fields(string(text)), " ")
	if len(line) > enough {
		line = line[:enough] + " …"
	}
	return line
}

func weigh(dir string) (tree, error) {
	var t tree
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		t.Files++
		t.Bytes += info.Size()
		return nil
	})
	return t, err
}
