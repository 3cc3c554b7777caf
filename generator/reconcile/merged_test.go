package reconcile

import "testing"

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
