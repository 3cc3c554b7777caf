package testdb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/templates/service/variant/mysql/internal/gen/store"
)

// A test is skipped where no server is named, and fails where what is named is no URL of one: a mistake in it would go
// unnoticed, as `go test` says nothing of what it skips.
func TestConfig(t *testing.T) {
	for named, want := range map[string]string{
		"":                             "skip: needs MySQL: set TEST_DATABASE_URL to mysql://",
		"app:secret@tcp(localhost:1)/": "fatal: TEST_DATABASE_URL is not mysql://",
		"localhost":                    "fatal: TEST_DATABASE_URL is not mysql://",
		"mysql://%zz":                  "fatal: TEST_DATABASE_URL is not mysql://",
	} {
		t.Run(named, func(t *testing.T) {
			t.Setenv("TEST_DATABASE_URL", named)
			if got := outcome(t); !strings.HasPrefix(got, want) || strings.Contains(got, "secret") {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// ending is a test that tells how it was ended.
type ending struct{ testing.TB }

func (ending) Helper()           {}
func (ending) Skip(args ...any)  { panic("skip: " + fmt.Sprint(args...)) }
func (ending) Fatal(args ...any) { panic("fatal: " + fmt.Sprint(args...)) }

func outcome(t *testing.T) (how string) {
	t.Helper()
	defer func() { how, _ = recover().(string) }()
	Config(ending{t}, store.Config{})
	return ""
}
