// Package parallel runs functions at the same time. It is errgroup but for a panic: that ends no program from within a
// goroutine, and is one of whoever waits, who can tell it as a bug.
package parallel

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Group is a group of functions, of which none is running in the zero Group.
type Group struct {
	group errgroup.Group
	bug   atomic.Pointer[string]
}

// SetLimit limits how many run at the same time. It is not for a group that has begun.
func (g *Group) SetLimit(n int) { g.group.SetLimit(n) }

// Go calls do in a goroutine of its own, once there is room for it.
func (g *Group) Go(do func() error) {
	g.group.Go(func() error {
		defer func() {
			if p := recover(); p != nil {
				bug := fmt.Sprintf("%v\n%s", p, debug.Stack())
				g.bug.CompareAndSwap(nil, &bug)
			}
		}()
		return do()
	})
}

// Wait waits for all, and returns the first error. When one has panicked, so does Wait, with the text of that and where it was.
func (g *Group) Wait() error {
	err := g.group.Wait()
	if bug := g.bug.Load(); bug != nil {
		panic(*bug)
	}
	return err
}

// Each calls do for every one of list, for as many at the same time as there are processors. After an error, some may be left out.
func Each[T any](list []T, do func(T) error) error {
	var g Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for some := range slices.Chunk(list, 1+len(list)/100) {
		g.Go(func() error {
			for _, one := range some {
				if err := do(one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
