package parallel

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	list := make([]int, 1234)
	var sum atomic.Int64
	for i := range list {
		list[i] = i
	}
	if err := Each(list, func(i int) error { sum.Add(int64(i)); return nil }); err != nil || sum.Load() != 1233*1234/2 {
		t.Errorf("the sum is %d, %v", sum.Load(), err)
	}
	told := errors.New("as told")
	if err := Each(list, func(i int) error { return map[bool]error{true: told}[i == 7] }); !errors.Is(err, told) {
		t.Errorf("the error is %v", err)
	}
	if err := Each(nil, func(int) error { return told }); err != nil {
		t.Errorf("of none there is %v", err)
	}
}

// TestPanic: a panic is one of whoever waits, with where it was.
func TestPanic(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "as told\n") || !strings.Contains(p, "parallel.asTold(") {
			t.Errorf("got %s", p)
		}
	}()
	_ = Each([]int{1, 2}, asTold)
	t.Error("there is none")
}

func asTold(int) error { panic("as told") }
