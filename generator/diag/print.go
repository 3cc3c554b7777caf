package diag

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format is how diagnostics are printed.
type Format string

// The formats of --error-format.
const (
	Text   Format = "text"           // file:line:col: what, the line, a caret, a hint
	JSON   Format = "json"           // one JSON array
	GitHub Format = "github-actions" // workflow commands, shown beside the line in a pull request
)

// Formats lists every Format.
func Formats() []Format { return []Format{Text, JSON, GitHub} }

// Printer prints diagnostics.
type Printer struct {
	Format Format
	Color  bool // ANSI colours, in text only
}

// Print writes err to w. What is not made of diagnostics is printed as one without a position.
func (p Printer) Print(w io.Writer, err error) error {
	var list List
	if !errors.As(err, &list) {
		list = List{{Message: err.Error()}}
	}
	switch p.Format {
	case JSON:
		return printJSON(w, list)
	case GitHub:
		return printGitHub(w, list)
	default:
		return p.printText(w, list)
	}
}

const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	bold   = "\x1b[1m"
	cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

func (p Printer) printText(w io.Writer, list List) error {
	for i, d := range list {
		if i > 0 && list[i-1].Line != "" {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, p.text(d)); err != nil {
			return err
		}
	}
	return nil
}

func (p Printer) text(d Diagnostic) string {
	mark := red
	if d.Warning {
		mark = yellow
	}
	var b strings.Builder
	b.WriteString(p.paint(bold, d.String()) + "\n")
	if d.Line != "" {
		text, caret := excerpt(d.Line, d.Pos.Col)
		b.WriteString("    " + text + "\n")
		if d.Pos.Col > 0 {
			b.WriteString("    " + caret + p.paint(mark, "^") + "\n")
		}
	}
	if d.Hint != "" {
		b.WriteString(p.paint(cyan, "hint:") + " " + Escape(d.Hint) + "\n")
	}
	return b.String()
}

func (p Printer) paint(code, s string) string {
	if !p.Color {
		return s
	}
	return code + s + reset
}

// maxExcerpt is how many columns of a source line are shown; what is shown always contains the caret.
const maxExcerpt = 160

// excerpt is the line as shown, and the blanks that put a caret below its column col. Tabs stay tabs in
// both, so that they line up whatever a tab is wide; wide characters get two blanks, combining marks none.
func excerpt(line string, col int) (text, caret string) {
	runes := []rune(line)
	start := 0
	if len(runes) > maxExcerpt && col > maxExcerpt/2 {
		start = min(col-maxExcerpt/2, len(runes))
	}
	var t, c strings.Builder
	if start > 0 {
		t.WriteString("...")
		c.WriteString("   ")
	}
	for i := start; i < len(runes) && i-start < maxExcerpt; i++ {
		shown := string(runes[i])
		if runes[i] != '\t' {
			shown = Escape(shown)
		}
		t.WriteString(shown)
		if i < col-1 {
			c.WriteString(blank(shown))
		}
	}
	if len(runes)-start > maxExcerpt {
		t.WriteString("...")
	}
	return strings.TrimRight(t.String(), " \t"), c.String()
}

// blank is white space as wide as s on a terminal.
func blank(s string) string {
	if s == "\t" {
		return s
	}
	if r, size := utf8.DecodeRuneInString(s); size == len(s) {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
			return ""
		case wide(r):
			return "  "
		}
	}
	return strings.Repeat(" ", utf8.RuneCountInString(s))
}

// wide reports whether a terminal gives r two columns: the East Asian wide blocks and emoji.
func wide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) ||
		r >= 0x3000 && r <= 0x303e || r >= 0xff01 && r <= 0xff60 || r >= 0x1f300 && r <= 0x1faff
}

// object is the JSON form of a diagnostic; its keys are a promise to scripts.
type object struct {
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Col      int    `json:"col,omitempty"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Source   string `json:"source,omitempty"`
}

func printJSON(w io.Writer, list List) error {
	objects := make([]object, len(list))
	for i, d := range list {
		objects[i] = object{d.Pos.File, d.Pos.Line, d.Pos.Col, severity(d), d.Message, d.Hint, d.Line}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(objects)
}

func severity(d Diagnostic) string {
	if d.Warning {
		return "warning"
	}
	return "error"
}

func printGitHub(w io.Writer, list List) error {
	// GitHub's own escapes: a message must not end its command or start another one.
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, d := range list {
		msg := Escape(d.Message)
		if d.Hint != "" {
			msg += "\nhint: " + Escape(d.Hint)
		}
		var place []string
		if d.Pos.File != "" {
			place = append(place, "file="+property.Replace(Escape(d.Pos.File)))
		}
		if d.Pos.Line > 0 {
			place = append(place, fmt.Sprintf("line=%d", d.Pos.Line))
		}
		if d.Pos.Col > 0 {
			place = append(place, fmt.Sprintf("col=%d", d.Pos.Col))
		}
		command := severity(d)
		if len(place) > 0 {
			command += " " + strings.Join(place, ",")
		}
		if _, err := fmt.Fprintf(w, "::%s::%s\n", command, data.Replace(msg)); err != nil {
			return err
		}
	}
	return nil
}
