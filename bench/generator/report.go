package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// writeText prints the runs by size, then the goals.
func (b *bench) writeText(out io.Writer) {
	printf(out, "%s/%s, %d cpus, %s; medians (least–most)\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if missing := b.tools.missing(); len(missing) > 0 {
		printf(out, "left out, not on PATH: %s\n", strings.Join(missing, ", "))
	}
	last := ""
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range b.series {
		if s.Case != last {
			t := b.trees[s.Case]
			printf(w, "\n%s: %d methods, %d files and %.1f MiB emitted\twall\tcpu\tpeak MiB\truns\n", s.Case, s.Methods, t.Files, mib(t.Bytes))
			last = s.Case
		}
		if s.Failed != "" {
			printf(w, "  %s\tfailed: %s\n", s.Job, s.Failed)
			continue
		}
		if len(s.Samples) == 0 {
			continue
		}
		printf(w, "  %s\t%s\t%s\t%.0f\t%d\n", s.Job,
			times(spreadOf(s.Samples, func(s sample) time.Duration { return s.Wall })),
			times(spreadOf(s.Samples, func(s sample) time.Duration { return s.CPU })),
			mib(spreadOf(s.Samples, func(s sample) int64 { return s.Peak }).median), len(s.Samples))
	}
	printf(w, "\ncpu exponent\t\n")
	for _, job := range []string{"svcgen new", "buf generate", "protoc"} {
		for _, sizes := range [][]string{{"1x100", "10x100", "100x100"}, {"1x100", "1x1600"}} {
			if e, ok := b.cpuExponent(job, sizes...); ok {
				printf(w, "  %s, %s\t%.2f\n", job, strings.Join(sizes, " → "), e)
			}
		}
	}
	printf(w, "\ngoal\tat most\twall, or as it says\tthe ratio in cpu\n")
	for _, g := range goals {
		printf(w, "  %s\t%g%s\t%s\t%s\n", g.text, g.limit, g.unit, g.verdict(b), g.inCPU(b))
	}
	printf(w, "\nbeside others\t\twall\tcpu\n")
	for _, g := range besides {
		printf(w, "  %s\t\t%s\t%s\n", g.text, g.verdict(b), g.inCPU(b))
	}
	_ = w.Flush() // what it writes to has the error
}

func times(s spread[time.Duration]) string {
	return fmt.Sprintf("%s (%s–%s)", short(s.median), short(s.min), short(s.max))
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// writeJSON prints every run, and the goals as they stand.
func (b *bench) writeJSON(out io.Writer) error {
	type standing struct {
		Goal  string   `json:"goal"`
		Limit float64  `json:"limit"`
		Value *float64 `json:"value"` // null: not measured
		CPU   *float64 `json:"cpu,omitempty"`
	}
	report := struct {
		OS      string          `json:"os"`
		Arch    string          `json:"arch"`
		Go      string          `json:"go"`
		CPUs    int             `json:"cpus"`
		Missing []string        `json:"missing"`
		Trees   map[string]tree `json:"trees"`
		Series  []*series       `json:"series"`
		Goals   []standing      `json:"goals"`
	}{runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU(), b.tools.missing(), b.trees, b.series, nil}
	for _, g := range goals {
		s := standing{Goal: g.text, Limit: g.limit}
		if v, ok := g.value(b); ok {
			s.Value = &v
		}
		if g.cpu != nil {
			if v, ok := g.cpu(b); ok {
				s.CPU = &v
			}
		}
		report.Goals = append(report.Goals, s)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
