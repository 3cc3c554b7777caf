package main

import "fmt"

// goal is one thing the generator wants to reach. value computes where it is; ok is false when what it needs was
// not measured.
type goal struct {
	text  string
	limit float64
	unit  string
	value func(b *bench) (float64, bool)
}

// goals are ratios of medians within this run, so that they hold on other machines. The peers only make messages
// and stubs; svcgen emits its whole service in the same time.
var goals = []goal{
	{"1a new 1x5, wall / buf generate", 0.35, "×", wallRatio("1x5", "svcgen new", "buf generate")},
	{"1b new 1x5, wall / goctl", 0.06, "×", wallRatio("1x5", "svcgen new", "goctl rpc protoc")},
	{"2  new 1x100, wall / buf generate", 0.55, "×", wallRatio("1x100", "svcgen new", "buf generate")},
	{"3a new 10x100, wall / buf generate with one request", 0.40, "×", wallRatio("10x100", "svcgen new", "buf generate, one request")},
	{"3b new 10x100, wall / buf generate", 0.60, "×", wallRatio("10x100", "svcgen new", "buf generate")},
	{"4a new 100x100, wall / buf generate", 0.60, "×", wallRatio("100x100", "svcgen new", "buf generate")},
	{"4b new 100x100, peak memory", 250, " MiB", func(b *bench) (float64, bool) {
		s, ok := b.get("100x100", "svcgen new")
		if !ok {
			return 0, false
		}
		mib := float64(spreadOf(s.Samples, func(s sample) int64 { return s.Peak }).median) / (1 << 20)
		return mib, mib > 0
	}},
	{"5a new, cpu exponent from 100 to 10,000 methods", 1.00, "", cpuExponent("1x100", "10x100", "100x100")},
	{"5b new, cpu exponent in one file, from 100 to 1,600 methods", 1.05, "", cpuExponent("1x100", "1x1600")},
	{"6a regen with nothing to do 1x100, wall / svcgen version", 1.5, "×", wallRatio("1x100", noop, "svcgen version")},
	{"6b regen with nothing to do 2x100 (about 500 files), wall / svcgen version", 2.5, "×", wallRatio("2x100", noop, "svcgen version")},
	{"6c regen with nothing to do 1x100, wall / buf generate again", 0.05, "×", wallRatio("1x100", noop, "buf generate again")},
	{"7  svcgen version, wall / buf --version", 0.40, "×", wallRatio("1x5", "svcgen version", "buf version")},
	{"8  regen with one proto of 10x100 changed, wall / new", 0.20, "×", wallRatio("10x100", "svcgen regen, one proto changed", "svcgen new")},
}

const noop = "svcgen regen, nothing to do"

func (b *bench) get(size, job string) (*series, bool) {
	for _, s := range b.series {
		if s.Case == size && s.Job == job && len(s.Samples) > 0 {
			return s, true
		}
	}
	return nil, false
}

func wallRatio(size, job, peer string) func(*bench) (float64, bool) {
	return func(b *bench) (float64, bool) {
		ours, ok1 := b.get(size, job)
		theirs, ok2 := b.get(size, peer)
		if !ok1 || !ok2 {
			return 0, false
		}
		wall := func(s *series) float64 {
			return spreadOf(s.Samples, func(s sample) float64 { return s.Wall.Seconds() }).median
		}
		return wall(ours) / wall(theirs), true
	}
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
	case v <= g.limit:
		return fmt.Sprintf("%.2f%s  reached", v, g.unit)
	default:
		return fmt.Sprintf("%.2f%s  missed by %.0f %%", v, g.unit, 100*(v/g.limit-1))
	}
}
