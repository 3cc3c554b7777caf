package reconcile

import (
	"slices"
	"strings"
	"testing"
)

// TestWithoutConflicts proves that only a conflict without a line of anybody's is settled, and how.
func TestWithoutConflicts(t *testing.T) {
	const base, now = "# orders\n\n| a |\n| left |\n", "# orders\n\n| a |\n| left |\n| right |\n"
	tests := []struct{ name, text, want string }{
		{"svcgen's on both sides", "mine\n<<<<<<< ours\n| left |\n=======\n| right |\n>>>>>>> theirs\nmine\n", "mine\n| left |\nmine\n"},
		{"with the base, CRLF", "<<<<<<< ours\r\n| left |\r\n||||||| base\r\n\r\n=======\r\n| right |\r\n>>>>>>> theirs\r\n", "| left |\r\n"},
		{"two", "<<<<<<< o\n| left |\n=======\n>>>>>>> t\nmine\n<<<<<<< o\n=======\n| right |\n>>>>>>> t\n", "| left |\nmine\n"},
		{"somebody's on the first side", "<<<<<<< ours\n| mine |\n=======\n| right |\n>>>>>>> theirs\n", ""},
		{"somebody's on the second side", "<<<<<<< ours\n| left |\n=======\n| mine |\n>>>>>>> theirs\n", ""},
		{"without an end", "<<<<<<< ours\n| left |\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(withoutConflicts([]byte(test.text), []byte(base), []byte(now))); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestInTheWay is about a new file that declares what another does: of the user's, it is in the way; of svcgen's, it moves.
func TestInTheWay(t *testing.T) {
	const a, b = "package main\n\nfunc TestA() {}\n", "\nfunc TestB() {}\n"
	tests := []struct{ name, mine, want string }{
		{"svcgen's own", a + b, "create cmd/b_test.go\nupdate cmd/a_test.go"},
		{"and edited beside it", "// mine\n" + a + b, "create cmd/b_test.go\nmerge cmd/a_test.go"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustApply(merged("cmd/a_test.go", a+b))
			w.write("cmd/a_test.go", test.mine)
			did := strings.Split(w.mustApply(merged("cmd/a_test.go", a), merged("cmd/b_test.go", "package main\n"+b)), "\n")
			slices.Sort(did)
			if got := strings.Join(did, "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
	t.Run("the user's", func(t *testing.T) {
		w := newWorld(t)
		w.mustApply(merged("cmd/a_test.go", a))
		w.write("cmd/mine_test.go", "package main\n"+b)
		if did := w.mustApply(merged("cmd/a_test.go", a), merged("cmd/b_test.go", "package main\n"+b)); did != "" {
			t.Errorf("did %s", did)
		}
	})
}
