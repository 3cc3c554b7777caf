package ir

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/descriptorpb"
)

// A comment in a proto is text of a stranger, and protoc-gen-go copies it line by line behind //. A line such as
// "go:embed secrets" or " +build ignore" would be a directive there, a carriage return would end the comment.
// So comments are made harmless in the descriptors, before any generator sees them.

// harmless are the comments of info, none of which can become more than a comment. No generator asks where they stand, and
// without that a line that moves changes nothing.
func harmless(info *descriptorpb.SourceCodeInfo) *descriptorpb.SourceCodeInfo {
	out := &descriptorpb.SourceCodeInfo{}
	for _, loc := range info.Location {
		if loc.LeadingComments == nil && loc.TrailingComments == nil && len(loc.LeadingDetachedComments) == 0 {
			continue
		}
		clean := &descriptorpb.SourceCodeInfo_Location{Path: loc.Path, Span: []int32{0, 0, 0}}
		if loc.LeadingComments != nil {
			clean.LeadingComments = new(harmlessText(*loc.LeadingComments))
		}
		if loc.TrailingComments != nil {
			clean.TrailingComments = new(harmlessText(*loc.TrailingComments))
		}
		for _, c := range loc.LeadingDetachedComments {
			clean.LeadingDetachedComments = append(clean.LeadingDetachedComments, harmlessText(c))
		}
		out.Location = append(out.Location, clean)
	}
	return out
}

// constraints takes apart what go vet takes for build constraints that were meant to work, wherever in a line it stands.
var constraints = strings.NewReplacer("+build", "+ build", "//go:build", "// go:build")

// harmlessText is the text of a comment without directives and without characters that end a line, a comment
// or the order in which it is read.
func harmlessText(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "*/", "* /"), "\ufffd")
	s = constraints.Replace(s)
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r), unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.In(r, unicode.Cf), unicode.In(r, unicode.Co):
			return utf8.RuneError
		}
		return r
	}, s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if directive(line) {
			lines[i] = " " + mark + strings.TrimLeft(line, " \t")
		}
	}
	return strings.Join(lines, "\n")
}

// mark stands before what would be a directive.
const mark = "| "

// directive reports whether //line is, or could be taken for, an instruction to a tool: //go:build, //line,
// //export, //nolint and anything else of the form //word:word; also the mark of generated code.
func directive(line string) bool {
	text := strings.TrimLeft(line, " \t")
	switch {
	case strings.HasPrefix(text, "Code generated "):
		return true
	case text == line && (strings.HasPrefix(text, "line ") || strings.HasPrefix(text, "export ") || strings.HasPrefix(text, "extern ")):
		return true
	case strings.HasPrefix(text, "#cgo"), strings.HasPrefix(text, "nolint"), strings.HasPrefix(text, "lint:"), strings.HasPrefix(text, "go:"):
		return true
	}
	if text != line {
		return false
	}
	tool, rest, ok := strings.Cut(text, ":")
	return ok && tool != "" && rest != "" && word(rest[:1]) && word(tool)
}

// word reports whether s has only the characters of a tool's name in a directive.
func word(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') })
}
