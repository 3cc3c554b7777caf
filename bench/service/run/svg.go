package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// drawGoals draws how far each goal is reached: a bar on a logarithmic scale, the range as a whisker, the goal as a
// line. It follows the viewer's choice of light or dark.
func drawGoals(standings []standing) []byte {
	const (
		row, top, left, plot, right = 22, 58, 560, 300, 200
		low, high                   = 0.25, 8.0 // shares of the goal at the edges
	)
	var out bytes.Buffer
	width, height := left+plot+right, top+row*len(standings)+34
	at := func(share float64) float64 {
		share = min(max(share, low), high)
		return left + plot*math.Log(share/low)/math.Log(high/low)
	}
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="Goals of the service and where they are">
<style>
svg { font: 13px sans-serif } .back { fill: #ffffff } text { fill: #24292f } .dim { fill: #57606a } .line { stroke: #24292f }
.grid { stroke: #d0d7de } .yes { fill: #2da44e } .no { fill: #bf8700 } .whisker { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } text { fill: #e6edf3 } .dim { fill: #8b949e } .line { stroke: #e6edf3 }
.grid { stroke: #30363d } .yes { fill: #3fb950 } .no { fill: #d29922 } .whisker { stroke: #e6edf3 } }
</style>
<rect class="back" width="100%%" height="100%%"/>
`, width, height, width, height)
	fmt.Fprintf(&out, `<text x="12" y="24" font-weight="bold">How far each goal is reached</text>`+"\n")
	fmt.Fprintf(&out, `<text class="dim" x="12" y="42">1 is the goal, further right is better; the thin line is the range over the rounds</text>`+"\n")
	bottom := top + row*len(standings)
	for _, tick := range []float64{0.25, 0.5, 1, 2, 4, 8} {
		class := "grid"
		if tick == 1 {
			class = "line"
		}
		fmt.Fprintf(&out, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", class, at(tick), top-6, at(tick), bottom)
		fmt.Fprintf(&out, `<text class="dim" x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", at(tick), bottom+16, tick)
	}
	for i, s := range standings {
		y := top + row*i
		fmt.Fprintf(&out, `<text x="12" y="%d">%s</text>`+"\n", y+14, html.EscapeString(s.text))
		if !s.measured {
			fmt.Fprintf(&out, `<text class="dim" x="%d" y="%d">not measured</text>`+"\n", left+plot+12, y+14)
			continue
		}
		class := "no"
		if s.reached() {
			class = "yes"
		}
		ends := [2]float64{}
		for j, v := range []float64{s.least, s.most} {
			e := s
			e.median = v
			ends[j] = at(e.share())
		}
		fmt.Fprintf(&out, `<rect class="%s" x="%d" y="%d" width="%.1f" height="12"/>`+"\n", class, left, y+4, max(at(s.share())-left, 1))
		fmt.Fprintf(&out, `<line class="whisker" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", ends[0], y+10, ends[1], y+10)
		fmt.Fprintf(&out, `<text x="%d" y="%d">%.2f%s, goal %s</text>`+"\n", left+plot+12, y+14, s.median, s.unit, html.EscapeString(s.bound()))
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}
