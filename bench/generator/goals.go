package main

import "fmt"

// goal is one thing the generator wants to reach. value computes where it is; ok is false when what it needs was
// not measured.
type goal struct {
	text  string
	limit float64
	unit  string
	value func(b *bench) (float64, bool)
	cpu   func(b *bench) (float64, bool) // the same in cpu time; nil where value is no ratio of times
}

// goals are ratios of medians within this run, so that they hold on other machines. The peers only make messages
// and stubs; svcgen emits its whole service in the same time.
var goals = []goal{
	ratio("1a new 1x5 / buf generate", 0.35, "1x5", "svcgen new", "buf generate"),
	ratio("1b new 1x5 / goctl", 0.06, "1x5", "svcgen new", "goctl rpc protoc"),
	ratio("2  new 1x100 / buf generate", 0.55, "1x100", "svcgen new", "buf generate"),
	ratio("3a new 10x100 / buf generate with one request", 0.40, "10x100", "svcgen new", "buf generate, one request"),
	ratio("3b new 10x100 / buf generate", 0.60, "10x100", "svcgen new", "buf generate"),
	ratio("4a new 100x100 / buf generate", 0.60, "100x100", "svcgen new", "buf generate"),
	{text: "4b new 100x100, peak memory", limit: 250, unit: " MiB", value: func(b *bench) (float64, bool) {
		s, ok := b.get("100x100", "svcgen new")
		if !ok {
			return 0, false
		}
		mib := float64(spreadOf(s.Samples, func(s sample) int64 { return s.Peak }).median) / (1 << 20)
		return mib, mib > 0
	}},
	{text: "5a new, cpu exponent from 100 to 10,000 methods", limit: 1.00, value: cpuExponent("1x100", "10x100", "100x100")},
	{text: "5b new, cpu exponent in one file, from 100 to 1,600 methods", limit: 1.05, value: cpuExponent("1x100", "1x1600")},
	ratio("6a regen with nothing to do 1x100 / svcgen version", 1.5, "1x100", noop, "svcgen version"),
	ratio("6b regen with nothing to do 2x100 (about 500 files) / svcgen version", 2.5, "2x100", noop, "svcgen version"),
	ratio("6c regen with nothing to do 1x100 / buf generate again", 0.05, "1x100", noop, "buf generate again"),
	ratio("7  svcgen version / buf --version", 0.40, "1x5", "svcgen version", "buf version"),
	ratio("8a regen with a comment in one proto of 10x100 changed / new", 0.20, "10x100", oneComment, "svcgen new"),
	ratio("8b regen with a field in one proto of 10x100 added / new", 0.20, "10x100", oneField, "svcgen new"),
}

// besides are second runs for which there is no goal, beside those of others and svcgen's own first run.
var besides = []goal{
	ratio("nothing to do 1x100 / goctl again", 0, "1x100", noop, goctlAgain),
	ratio("nothing to do 1x100 / gqlgen again", 0, "1x100", noop, "gqlgen generate again"),
	ratio("nothing to do 10x100 / buf generate again", 0, "10x100", noop, "buf generate again"),
	ratio("nothing to do 2x100 / gqlgen again", 0, "2x100", noop, "gqlgen generate again"),
	ratio("one field added 10x100, all code edited / new", 0, "10x100", oneFieldEdited, "svcgen new"),
	ratio("one field removed 10x100 / new", 0, "10x100", oneFieldGone, "svcgen new"),
	ratio("one field 10x100 / buf generate again", 0, "10x100", oneField, "buf generate again"),
	ratio("one field 10x100 / goctl again, the one file", 0, "10x100", oneField, goctlAgain),
	ratio("one field 2x100 / gqlgen, one file changed", 0, "2x100", oneField, "gqlgen generate, one file changed"),
}

// Names of jobs.
const (
	noop           = "svcgen regen, nothing to do"
	oneComment     = "svcgen regen, one comment changed"
	oneField       = "svcgen regen, one field added"
	oneFieldEdited = "svcgen regen, one field added, all code edited"
	oneFieldGone   = "svcgen regen, one field removed"
	goctlAgain     = "goctl rpc protoc again, one file"
)

// ratio compares two jobs by wall time, and by cpu time, which tells more where other work keeps the machine busy.
func ratio(text string, limit float64, size, job, peer string) goal {
	of := func(cost func(sample) float64) func(*bench) (float64, bool) {
		return func(b *bench) (float64, bool) {
			ours, ok1 := b.get(size, job)
			theirs, ok2 := b.get(size, peer)
			if !ok1 || !ok2 {
				return 0, false
			}
			return spreadOf(ours.Samples, cost).median / spreadOf(theirs.Samples, cost).median, true
		}
	}
	return goal{
		text: text, limit: limit, unit: "×",
		value: of(func(s sample) float64 { return s.Wall.Seconds() }),
		cpu:   of(func(s sample) float64 { return s.CPU.Seconds() }),
	}
}

func (b *bench) get(size, job string) (*series, bool) {
	for _, s := range b.series {
		if s.Case == size && s.Job == job && len(s.Samples) > 0 {
			return s, true
		}
	}
	return nil, false
}

func cpuExponent(sizes ...string) func(*bench) (float64, bool) {
	return func(b *bench) (float64, bool) { return b.cpuExponent("svcgen new", sizes...) }
}

func (b *bench) cpuExponent(job string, sizes ...string) (float64, bool) {
	points := make([]point, 0, len(sizes))
	for _, size := range sizes {
		s, ok := b.get(size, job)
		if !ok {
			return 0, false
		}
		cpu := spreadOf(s.Samples, func(s sample) float64 { return s.CPU.Seconds() }).median
		points = append(points, point{float64(s.Methods), cpu})
	}
	return exponent(points)
}

// verdict says how g stands, and by how much it is missed.
func (g goal) verdict(b *bench) string {
	v, ok := g.value(b)
	switch {
	case !ok:
		return "not measured"
	case g.limit == 0:
		return fmt.Sprintf("%.3f%s", v, g.unit)
	case v <= g.limit:
		return fmt.Sprintf("%.2f%s  reached", v, g.unit)
	default:
		return fmt.Sprintf("%.2f%s  missed by %.0f %%", v, g.unit, 100*(v/g.limit-1))
	}
}

// inCPU is the same ratio in cpu time.
func (g goal) inCPU(b *bench) string {
	if g.cpu == nil {
		return ""
	}
	v, ok := g.cpu(b)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.3f%s", v, g.unit)
}
