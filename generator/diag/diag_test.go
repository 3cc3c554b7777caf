package diag

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func printed(t *testing.T, p Printer, err error) string {
	t.Helper()
	var b strings.Builder
	if err := p.Print(&b, err); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	pos := Pos{File: "svcgen.yaml", Line: 12, Col: 8}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"everything": {
			List{{Pos: pos, Message: "no field order_idd", Hint: "did you mean order_id?", Line: "  key: order_idd"}},
			"svcgen.yaml:12:8: no field order_idd\n      key: order_idd\n           ^\nhint: did you mean order_id?\n",
		},
		"no line":     {List{{Pos: pos, Message: "m"}}, "svcgen.yaml:12:8: m\n"},
		"no column":   {List{{Pos: Pos{File: "f", Line: 1}, Message: "m", Line: "x"}}, "f:1: m\n    x\n"},
		"no position": {List{{Message: "m", Hint: "h"}}, "m\nhint: h\n"},
		"warning":     {List{{Pos: pos, Message: "m", Warning: true}}, "svcgen.yaml:12:8: warning: m\n"},
		"any error":   {fmt.Errorf("open x: %w", errors.New("gone")), "open x: gone\n"},
		"wrapped":     {fmt.Errorf("load: %w", List{{Message: "m"}}), "m\n"},
		"two": {
			List{{Pos: pos, Message: "a", Line: "12345678"}, {Pos: pos, Message: "b"}},
			"svcgen.yaml:12:8: a\n    12345678\n           ^\n\nsvcgen.yaml:12:8: b\n",
		},
		"tabs":           {List{{Pos: Pos{"f", 1, 4}, Message: "m", Line: "\ta\tb"}}, "f:1:4: m\n    \ta\tb\n    \t \t^\n"},
		"wide":           {List{{Pos: Pos{"f", 1, 4}, Message: "m", Line: "大きさx"}}, "f:1:4: m\n    大きさx\n          ^\n"},
		"combining mark": {List{{Pos: Pos{"f", 1, 3}, Message: "m", Line: "e\u0301x"}}, "f:1:3: m\n    e\u0301x\n     ^\n"},
		"end of line":    {List{{Pos: Pos{"f", 1, 3}, Message: "m", Line: "ab"}}, "f:1:3: m\n    ab\n      ^\n"},
		"terminal injection": {
			List{{Pos: Pos{"f\x1b[2J", 1, 6}, Message: "a\x1b[31mb\r\nc\u202e", Hint: "\a", Line: "a\x1b[0mb"}},
			"f\\x1b[2J:1:6: a\\x1b[31mb\\x0d\\x0ac\\u202e\n    a\\x1b[0mb\n            ^\nhint: \\x07\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := printed(t, Printer{}, tt.err); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestLongLine(t *testing.T) {
	line := strings.Repeat("a", 1000) + "X" + strings.Repeat("b", 1000)
	got := strings.Split(printed(t, Printer{}, List{{Pos: Pos{"f", 1, 1001}, Message: "m", Line: line}}), "\n")
	if len(got[1]) > 200 {
		t.Errorf("the excerpt is %d bytes long", len(got[1]))
	}
	if i := strings.Index(got[2], "^"); i < 0 || got[1][i] != 'X' {
		t.Errorf("the caret is not below X:\n%s\n%s", got[1], got[2])
	}
}

func TestColor(t *testing.T) {
	list := List{{Pos: Pos{"f", 1, 1}, Message: "m", Hint: "h", Line: "x"}}
	if got := printed(t, Printer{}, list); strings.Contains(got, "\x1b") {
		t.Errorf("colour without being asked for: %q", got)
	}
	if got := printed(t, Printer{Color: true}, list); strings.Count(got, reset) != 3 {
		t.Errorf("got %q", got)
	}
}

func TestOtherFormats(t *testing.T) {
	list := List{
		{Pos: Pos{"a,b:c.yaml", 1, 2}, Message: "50% \x1b[31m\nx", Hint: "h", Line: "\x1b[31m"},
		{Message: "m", Warning: true},
	}
	wantJSON := `[
  {
    "file": "a,b:c.yaml",
    "line": 1,
    "col": 2,
    "severity": "error",
    "message": "50% \u001b[31m\nx",
    "hint": "h",
    "source": "\u001b[31m"
  },
  {
    "severity": "warning",
    "message": "m"
  }
]
`
	if got := printed(t, Printer{Format: JSON}, list); got != wantJSON {
		t.Errorf("got\n%s\nwant\n%s", got, wantJSON)
	}
	wantGitHub := "::error file=a%2Cb%3Ac.yaml,line=1,col=2::50%25 \\x1b[31m\\x0ax%0Ahint: h\n::warning::m\n"
	if got := printed(t, Printer{Format: GitHub}, list); got != wantGitHub {
		t.Errorf("got\n%s\nwant\n%s", got, wantGitHub)
	}
}

func TestFinish(t *testing.T) {
	s := Sources{"a": []byte("\ufeffone\r\ntwo"), "b": []byte("x")}
	got := s.Finish(List{
		{Pos: Pos{"b", 1, 1}, Message: "m"},
		{Pos: Pos{"a", 2, 1}, Message: "m"},
		{Pos: Pos{"a", 1, 3}, Message: "m"},
		{Pos: Pos{"a", 1, 2}, Message: "n"},
		{Pos: Pos{"a", 1, 2}, Message: "m"},
		{Pos: Pos{"a", 1, 2}, Message: "n"},
		{Pos: Pos{"a", 9, 1}, Message: "m"},
	})
	want := List{
		{Pos: Pos{"a", 1, 2}, Message: "m", Line: "one"},
		{Pos: Pos{"a", 1, 2}, Message: "n", Line: "one"},
		{Pos: Pos{"a", 1, 3}, Message: "m", Line: "one"},
		{Pos: Pos{"a", 2, 1}, Message: "m", Line: "two"},
		{Pos: Pos{"a", 9, 1}, Message: "m"},
		{Pos: Pos{"b", 1, 1}, Message: "m", Line: "x"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	var many List
	for i := range 1000 {
		many.Add(Pos{"a", 1, i + 1}, "", "m")
	}
	if got := s.Finish(many); len(got) != MaxShown+1 || got[MaxShown].Message != "900 more mistakes are not shown" {
		t.Errorf("got %d diagnostics, the last of them %v", len(got), got[len(got)-1])
	}
}

func TestErr(t *testing.T) {
	var warnings, mixed List
	warnings.Warn(Pos{}, "", "w")
	mixed.Warn(Pos{}, "", "w")
	mixed.Add(Pos{}, "", "e")
	if err := warnings.Err(); err != nil {
		t.Errorf("warnings alone are an error: %v", err)
	}
	if err := List(nil).Err(); err != nil {
		t.Errorf("nothing is an error: %v", err)
	}
	if err := mixed.Err(); err == nil || err.Error() != "warning: w\ne" {
		t.Errorf("got %v", err)
	}
}

func TestAt(t *testing.T) {
	src := []byte("\ufeffaü\tb\r\nc")
	for offset, want := range map[int]string{0: "f:1:1", 3: "f:1:1", 4: "f:1:2", 6: "f:1:3", 7: "f:1:4", 10: "f:2:1", 99: "f:2:2", -1: "f:1:1"} {
		if got := At("f", src, offset).String(); got != want {
			t.Errorf("offset %d is %s, want %s", offset, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"database", "broker", "publishes", "proto", "name", "acme.orders.v1.OrderPlaced", "acme.orders.v1.OrderCancelled", "acme.orders.v1.Item"}
	for got, want := range map[string]string{
		"databse": "database", "Database": "database", "dtaabase": "database", "borker": "broker", "publish": "publishes",
		"nmae": "name", "x": "", "": "", "zzzz": "", "OrderPlaced": "acme.orders.v1.OrderPlaced",
		"acme.orders.v1.OrderCanceled": "acme.orders.v1.OrderCancelled", "OrderPlacd": "acme.orders.v1.OrderPlaced",
		"acme.orders.v1.Nope": "", "acme.orders.v2.OrderPlaced": "acme.orders.v1.OrderPlaced", strings.Repeat("x", 10_000): "",
	} {
		if n := Nearest(got, keys); n != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", got, n, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a", "\x1b[0m", "\xff", "\u202e", "\ufffd", "é大"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := Escape(s); strings.IndexFunc(got, unprintable) >= 0 || strings.ToValidUTF8(got, "") != got {
			t.Errorf("Escape(%q) = %q", s, got)
		}
		excerpt(s, len(s)/2)
	})
}
