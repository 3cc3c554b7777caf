package main

import (
	"fmt"
	"io"
	"strings"
)

// write prints t as Markdown.
func (t *table) write(out io.Writer) {
	printf(out, "\n### %s\n\n|", t.title)
	for _, c := range t.columns {
		printf(out, " | %s", c.head)
	}
	printf(out, " |\n|---|%s\n", strings.Repeat("---|", len(t.columns)))
	for _, name := range t.names {
		printf(out, "| %s", name)
		for _, c := range t.columns {
			printf(out, " | %s", cell(t.values(name, c.of), c.format))
		}
		fmt.Fprintln(out, " |")
	}
	for _, n := range t.notes {
		printf(out, "\n%s\n", n)
	}
}

// cell shows a median with its range.
func cell(values []float64, format string) string {
	if len(values) == 0 {
		return "–"
	}
	s := spreadOf(values)
	if s.most == 0 {
		return "–"
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.least, s.most)
}

// writeGoals prints the goals as Markdown.
func writeGoals(out io.Writer, standings []standing) {
	printf(out, "\n### Goals\n\n| goal | limit | median (least–most) | |\n|---|---|---|---|\n")
	for _, s := range standings {
		printf(out, "| %s | %s | %s | %s |\n", s.text, s.bound(), s.now(), s.verdict())
	}
}

func (s standing) bound() string {
	if s.atMost {
		return fmt.Sprintf("≤ %g%s", s.limit, s.unit)
	}
	return fmt.Sprintf("≥ %g%s", s.limit, s.unit)
}

func (s standing) now() string {
	if !s.measured {
		return "not measured"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.least, s.most)
}

func (s standing) verdict() string {
	switch {
	case !s.measured:
		return ""
	case s.reached():
		return "reached"
	}
	return fmt.Sprintf("**missed**: %.2f of it", s.share())
}

// printf writes to where nobody could be told of an error.
func printf(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
