package fileset

import (
	"bytes"
	"strings"
	"testing"
)

func TestPack(t *testing.T) {
	for name, content := range map[string]string{"nothing": "", "a word": "word", "code": strings.Repeat("func (x *Message) Reset() {}\n", 1000)} {
		t.Run(name, func(t *testing.T) {
			packed := Pack([]byte(content))
			if got := packed.Bytes(); !bytes.Equal(got, []byte(content)) {
				t.Errorf("%d bytes became %d others", len(content), len(got))
			}
			if name == "code" && len(packed) > len(content)/10 {
				t.Errorf("%d bytes take %d", len(content), len(packed))
			}
			if got := (File{Packed: packed}).Text(); !bytes.Equal(got, []byte(content)) {
				t.Error("a file that is packed has another text")
			}
		})
	}
}
