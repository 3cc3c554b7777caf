package outbox

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFailureIsLoggedOnAndOn fails oftener than is logged, for long: an operator who looks at any minute of the log
// must see it.
func TestFailureIsLoggedOnAndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &Relay{log: slog.New(slog.NewTextHandler(&log, nil)), failures: make(map[string]*failures)}
		for range 100 {
			r.failure("fetch", errors.New("no database"))
			time.Sleep(300 * time.Millisecond) // the test's clock
		}
		if n := strings.Count(log.String(), "no database"); n < 20 || n > 30 {
			t.Errorf("%d lines in 30 s, want about one a second", n)
		}
		if s := r.Status(); len(s.Failures) != 1 || s.Failures[0].What != "fetch" {
			t.Errorf("status shows %v", s.Failures)
		}
	})
}
