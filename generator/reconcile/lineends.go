package reconcile

import (
	"bytes"
	"unicode/utf8"

	"github.com/svcgen/svcgen/generator/fileset"
)

// unix is a text with the line endings that svcgen writes. What is no text stays as it is: there each byte counts.
func unix(content []byte) []byte {
	if bytes.Contains(content, []byte("\r\n")) && isText(content) {
		return bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	}
	return content
}

func isText(content []byte) bool { return utf8.Valid(content) && bytes.IndexByte(content, 0) < 0 }

// sumOf is the sum of content of which the Hash is known. They differ where lines end in another way.
func sumOf(content []byte, hash string) string {
	if bytes.Contains(content, []byte("\r\n")) {
		return sum(content)
	}
	return hash
}

// withLineEnds is text with the line endings that ours has.
func withLineEnds(ours, text []byte) []byte {
	if bytes.Contains(ours, []byte("\r\n")) && isText(text) {
		return bytes.ReplaceAll(unix(text), []byte("\n"), []byte("\r\n"))
	}
	return text
}

// like is f, which is svcgen's alone, with the line endings of the file it is to replace.
func like(old found, f fileset.File) fileset.File {
	if old.hash != old.sum {
		f.Content, f.Packed = withLineEnds(old.content, f.Text()), nil
	}
	return f
}
