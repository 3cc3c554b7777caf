package gogen

import (
	"bytes"
	"slices"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// What was made before is taken where nothing it depends on is another, and the result is the same in any case.
func TestMade(t *testing.T) {
	for name, files := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			first, err := Begin(files, testModule, fileset.Made{})()
			if err != nil {
				t.Fatal(err)
			}
			byKey, byPath := map[string][]byte{}, map[string][]byte{}
			for _, f := range first {
				if f.Key != "" {
					byKey[f.Key] = f.Content
				}
				byPath[f.Path] = f.Content
			}
			if !slices.ContainsFunc(files, choosesAPI) && len(byKey) != len(first) {
				t.Errorf("%d of %d sources have a key of their own", len(byKey), len(first))
			}
			asked := 0
			made := fileset.Made{
				ByKey: func(key string) *fileset.Kept {
					asked++
					content, ok := byKey[key]
					if !ok {
						return nil
					}
					return &fileset.Kept{Read: func() ([]byte, error) { return content, nil }}
				},
				ByPath: func(path string) []byte { return byPath[path] },
			}
			again, err := Begin(files, testModule, made)()
			if err != nil {
				t.Fatal(err)
			}
			if len(byKey) > 0 && asked == 0 {
				t.Error("nobody asked for what was made before")
			}
			same(t, first, again)

			// One file of them is another now: what depends on it is made again, the rest is not.
			for i, f := range files {
				for what, change := range changes {
					fd, err := f.Descriptor.Message()
					if err != nil {
						t.Fatal(err)
					}
					if !change(fd) {
						continue
					}
					changed := slices.Clone(files)
					if changed[i], err = ir.NewProtoFile(fd, f.Go, f.Generate); err != nil {
						t.Fatal(err)
					}
					want, err := Begin(changed, testModule, fileset.Made{})()
					if err != nil {
						continue // nothing can be made of it
					}
					got, err := Begin(changed, testModule, made)()
					if err != nil {
						t.Fatal(err)
					}
					t.Logf("%s in %s", what, f.Path)
					same(t, want, got)
					back, err := Begin(files, testModule, madeFrom(want))()
					if err != nil {
						t.Fatal(err)
					}
					t.Log("and back")
					same(t, first, back)
					if what == "a comment on a service" && len(byKey) > 0 && !slices.ContainsFunc(got, func(f File) bool { return f.Kept != nil }) {
						t.Error("the messages were made again")
					}
				}
				if f.Generate {
					break
				}
			}
		})
	}
}

// madeFrom is the last run for which these files were made, from something else.
func madeFrom(files []File) fileset.Made {
	return fileset.Made{ByPath: func(path string) []byte {
		i := slices.IndexFunc(files, func(f File) bool { return f.Path == path })
		if i < 0 {
			return nil
		}
		return files[i].Content
	}}
}

// What a comment becomes is not always what that becomes when it is formatted: see functions.go.
func TestMadeWithOtherComments(t *testing.T) {
	for name, tt := range map[string]struct{ before, after string }{
		"one without text goes": {
			"message M {\n  string a = 1;\n  //\n  string longer = 2;\n}\n",
			"message M {\n  string a = 1;\n  string longer = 2;\n}\n",
		},
		"one as it was formatted": {
			"//  2) two\n// \t\nmessage M {}\n",
			"//  2. two\nmessage M {}\n",
		},
		"one as it was formatted in a message": {
			"message M {\n  //\tcode()\n  // - item\n  //\tcode()\n  // more\n  string a = 1;\n}\n",
			"message M {\n  //\tcode()\n  //   - item\n  //     code()\n  //\n  // more\n  string a = 1;\n}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			compile := func(text string) []ir.ProtoFile {
				return compileFS(t, fstest.MapFS{"a/a.proto": {Data: []byte("syntax = \"proto3\";\npackage a;\n\n" + text)}})
			}
			before, err := Begin(compile(tt.before), testModule, fileset.Made{})()
			if err != nil {
				t.Fatal(err)
			}
			want, err := Begin(compile(tt.after), testModule, fileset.Made{})()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Begin(compile(tt.after), testModule, madeFrom(before))()
			if err != nil {
				t.Fatal(err)
			}
			same(t, want, got)
		})
	}
}

// changes are made to a descriptor, where it has what they are made to.
var changes = map[string]func(*descriptorpb.FileDescriptorProto) bool{
	"a message": func(fd *descriptorpb.FileDescriptorProto) bool {
		fd.MessageType = append(fd.MessageType, &descriptorpb.DescriptorProto{Name: new("AddedByTheTest")})
		return true
	},
	"a field": func(fd *descriptorpb.FileDescriptorProto) bool {
		if len(fd.MessageType) == 0 || fd.MessageType[0].GetOptions().GetMessageSetWireFormat() {
			return false
		}
		fd.MessageType[0].Field = append(fd.MessageType[0].Field, &descriptorpb.FieldDescriptorProto{
			Name: new("added_by_the_test"), Number: new(int32(18000)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		})
		return true
	},
	"a field less": func(fd *descriptorpb.FileDescriptorProto) bool {
		if len(fd.MessageType) == 0 || len(fd.MessageType[0].Field) == 0 {
			return false
		}
		fd.MessageType[0].Field = fd.MessageType[0].Field[1:]
		return true
	},
	"a field called otherwise": func(fd *descriptorpb.FileDescriptorProto) bool {
		if len(fd.MessageType) == 0 || len(fd.MessageType[0].Field) == 0 {
			return false
		}
		fd.MessageType[0].Field[0].Name = new("renamed_by_the_test")
		return true
	},
	"a deprecated method": func(fd *descriptorpb.FileDescriptorProto) bool {
		if len(fd.Service) == 0 || len(fd.Service[0].Method) == 0 {
			return false
		}
		fd.Service[0].Method[0].Options = &descriptorpb.MethodOptions{Deprecated: new(true)}
		return true
	},
	"a deprecated file": func(fd *descriptorpb.FileDescriptorProto) bool {
		fd.Options = proto.CloneOf(fd.Options)
		fd.Options.Deprecated = new(!fd.Options.GetDeprecated())
		return true
	},
	"a comment on the package": commented(2),
	"a comment on a message":   commented(4, 0),
	"a comment on a field":     commented(4, 0, 2, 0),
	// gofmt drops it, and formats what is left in another way the next time.
	"an empty comment on a field": comment("\n", 4, 0, 2, 1),
	"a comment on an enum":        commented(5, 0),
	"a comment on a service":      commented(6, 0),
	"a comment on a method":       commented(6, 0, 2, 0),
	"a comment on an extension":   commented(7, 0),
}

// commented gives what is at path a comment.
func commented(path ...int32) func(*descriptorpb.FileDescriptorProto) bool {
	return comment(" Added by the test.\n", path...)
}

func comment(text string, path ...int32) func(*descriptorpb.FileDescriptorProto) bool {
	return func(fd *descriptorpb.FileDescriptorProto) bool {
		info := fd.SourceCodeInfo
		if info == nil {
			info = &descriptorpb.SourceCodeInfo{}
		}
		for _, l := range info.Location {
			if slices.Equal(l.Path, path) {
				l.LeadingComments = new(text)
				return true
			}
		}
		info.Location = append(info.Location, &descriptorpb.SourceCodeInfo_Location{Path: path, Span: []int32{0, 0, 0}, LeadingComments: new(text)})
		fd.SourceCodeInfo = info
		return true
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
