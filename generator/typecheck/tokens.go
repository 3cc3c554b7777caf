package typecheck

import (
	"go/token"
	"strings"
)

// tokens are those of a file, one after the other, and as many kinds of them as an outline needs. Keywords that do not begin or
// form a declaration count as identifiers, and operators are all one kind. It reads more than twice as fast as go/scanner, which
// makes a string of every token.
type tokens struct {
	src   string
	at    int // of the token
	end   int
	tok   token.Token
	lit   string // of an identifier, a keyword or a string
	depth int    // how many brackets of any kind are around it

	names, outer, inner []string // of all declarations so far; each has a part of them
	within              bool     // the words in bodies are noted
}

func newTokens(src string) *tokens {
	t := &tokens{src: src, end: len(src) - len(strings.TrimPrefix(src, "\uFEFF"))}
	t.next()
	return t
}

// next goes on to the next token.
func (t *tokens) next() {
	switch t.tok {
	case token.LPAREN, token.LBRACK, token.LBRACE:
		t.depth++
	}
	if t.space() {
		t.tok, t.lit = token.SEMICOLON, "" // as the language has it: at the end of a line, or of the file
		return
	}
	t.at, t.lit = t.end, ""
	if t.at == len(t.src) {
		t.tok = token.EOF
		return
	}
	switch c := t.src[t.at]; {
	case isLetter(c):
		t.word()
	case isDigit(c):
		t.tok = token.INT
		for t.end < len(t.src) && (isLetter(t.src[t.end]) || isDigit(t.src[t.end]) || t.src[t.end] == '.') {
			t.end++
		}
	case c == '"' || c == '\'' || c == '`':
		t.tok = token.STRING
		t.quoted(c)
		t.lit = t.src[t.at:t.end]
	default:
		t.end++
		t.tok = marks[c]
		if c == ')' || c == ']' || c == '}' {
			t.depth = max(0, t.depth-1)
		}
	}
}

// marks are the tokens of one byte that count. Others are token.ILLEGAL: operators.
var marks = [256]token.Token{
	'(': token.LPAREN, ')': token.RPAREN, '[': token.LBRACK, ']': token.RBRACK, '{': token.LBRACE, '}': token.RBRACE,
	',': token.COMMA, ';': token.SEMICOLON, '.': token.PERIOD, '=': token.ASSIGN,
}

// space skips blanks and comments. It reports whether they end a statement, and stays there.
func (t *tokens) space() bool {
	var may bool // the line, after a token with which a statement can end
	switch t.tok {
	case token.IDENT, token.INT, token.STRING, token.RPAREN, token.RBRACK, token.RBRACE:
		may = true
	}
	for ; t.end < len(t.src); t.end++ {
		switch c := t.src[t.end]; {
		case c == '\n' && may:
			t.at = t.end
			return true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case strings.HasPrefix(t.src[t.end:], "//"):
			line := strings.IndexByte(t.src[t.end:], '\n')
			if line < 0 {
				line = len(t.src) - t.end
			}
			t.end += line - 1
		case strings.HasPrefix(t.src[t.end:], "/*"):
			comment, _, _ := strings.Cut(t.src[t.end+2:], "*/")
			if may && strings.Contains(comment, "\n") {
				t.at = t.end
				return true
			}
			t.end = min(t.end+2+len(comment)+1, len(t.src)-1)
		default:
			return false
		}
	}
	t.at = t.end
	return may
}

// word reads an identifier or a keyword.
func (t *tokens) word() {
	for t.end < len(t.src) && (isLetter(t.src[t.end]) || isDigit(t.src[t.end])) {
		t.end++
	}
	t.lit = t.src[t.at:t.end]
	switch t.tok = token.IDENT; t.lit {
	case "package", "import", "const", "type", "var", "func", "struct", "interface", "map", "chan":
		t.tok = token.Lookup(t.lit)
	}
}

// quoted reads what is between two quotes.
func (t *tokens) quoted(quote byte) {
	for t.end++; t.end < len(t.src); t.end++ {
		switch c := t.src[t.end]; {
		case c == quote:
			t.end++
			return
		case quote == '`':
		case c == '\n':
			return // it does not parse
		case c == '\\' && t.end+1 < len(t.src):
			t.end++
		}
	}
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// ends reports whether the token is the first behind what is at depth.
func (t *tokens) ends(depth int) bool {
	return t.tok == token.EOF || t.tok == token.SEMICOLON && t.depth <= depth
}

// note adds the token to list, if it is an identifier.
func (t *tokens) note(list *[]string) {
	if t.tok == token.IDENT && t.lit != "_" {
		*list = append(*list, t.lit)
	}
}
