package main

import (
	"cmp"
	"math"
	"slices"
)

// spread is a median with its range.
type spread[T cmp.Ordered] struct{ median, min, max T }

// spreadOf returns the spread of one quantity over samples, of which there is at least one. With an even number
// the upper of the two middle values is taken, which never flatters.
func spreadOf[T cmp.Ordered](samples []sample, of func(sample) T) spread[T] {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return spread[T]{values[len(values)/2], values[0], values[len(values)-1]}
}

// point is a cost at a size.
type point struct{ methods, cost float64 }

// exponent fits cost = c · methodsᵉ through points by least squares of the logarithms: 1 is linear, 2 quadratic.
// Fewer than two sizes have none.
func exponent(points []point) (float64, bool) {
	n := float64(len(points))
	var sx, sy, sxx, sxy float64
	for _, p := range points {
		x, y := math.Log(p.methods), math.Log(p.cost)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	d := n*sxx - sx*sx
	if len(points) < 2 || d < 1e-9 {
		return 0, false
	}
	return (n*sxy - sx*sy) / d, true
}
