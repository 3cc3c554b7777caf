package gogen

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// What was made before is taken where nothing it depends on is another, and the result is the same in any case.
func TestMade(t *testing.T) {
	for name, files := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			first, err := Generate(files, testModule, nil)
			if err != nil {
				t.Fatal(err)
			}
			byKey := map[string][]byte{}
			for _, f := range first {
				if f.Key != "" {
					byKey[f.Key] = f.Content
				}
			}
			if !slices.ContainsFunc(files, choosesAPI) && len(byKey) != len(first) {
				t.Errorf("%d of %d sources have a key of their own", len(byKey), len(first))
			}
			asked := 0
			made := func(key string) *fileset.Kept {
				asked++
				content, ok := byKey[key]
				if !ok {
					return nil
				}
				return &fileset.Kept{Read: func() ([]byte, error) { return content, nil }}
			}
			again, err := Generate(files, testModule, made)
			if err != nil {
				t.Fatal(err)
			}
			if len(byKey) > 0 && asked == 0 {
				t.Error("nobody asked for what was made before")
			}
			same(t, first, again)

			// One file of them is another now: what depends on it is made again, the rest is not.
			changed := slices.Clone(files)
			i := slices.IndexFunc(changed, func(f ir.ProtoFile) bool { return f.Generate })
			fd, err := changed[i].Descriptor.Message()
			if err != nil {
				t.Fatal(err)
			}
			name := "AddedByTheTest"
			fd.MessageType = append(fd.MessageType, &descriptorpb.DescriptorProto{Name: &name})
			if changed[i], err = ir.NewProtoFile(fd, changed[i].Go, true); err != nil {
				t.Fatal(err)
			}
			want, err := Generate(changed, testModule, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Generate(changed, testModule, made)
			if err != nil {
				t.Fatal(err)
			}
			same(t, want, got)
		})
	}
}

func same(t *testing.T, want, got []File) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d files, want %d", len(got), len(want))
	}
	for i := range want {
		if kept := got[i].Kept; kept != nil {
			var err error
			if got[i].Content, err = kept.Read(); err != nil {
				t.Fatal(err)
			}
		}
		if want[i].Path != got[i].Path || !bytes.Equal(want[i].Content, got[i].Content) {
			t.Errorf("%s is not the same as %s", got[i].Path, want[i].Path)
		}
	}
}
