//go:build unix

package schema

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDisk has what only a real file system has. None of it may be read, or waited for.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	secret := filepath.Join(dir, "secret.proto")
	for name, err := range map[string]error{
		"root":   os.MkdirAll(filepath.Join(root, "folder.proto"), 0o755),
		"secret": os.WriteFile(secret, []byte(`syntax = "proto3"; message Secret {}`), 0o644),
		"inside": os.WriteFile(filepath.Join(root, "inside.proto"), []byte(`syntax = "proto3"; message Inside {}`), 0o644),
		"link":   os.Symlink("inside.proto", filepath.Join(root, "link.proto")),
		"out":    os.Symlink("../secret.proto", filepath.Join(root, "out.proto")),
		"abs":    os.Symlink(secret, filepath.Join(root, "abs.proto")),
		"loop":   os.Symlink("loop.proto", filepath.Join(root, "loop.proto")),
		"device": os.Symlink("/dev/zero", filepath.Join(root, "device.proto")),
		"pipe":   syscall.Mkfifo(filepath.Join(root, "pipe.proto"), 0o600),
	} {
		if err != nil {
			t.Fatalf("make %s: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"link.proto":      "",
		"out.proto":       "it is a symbolic link that leaves the import root",
		"abs.proto":       "it is a symbolic link that leaves the import root",
		"device.proto":    "it is a symbolic link that leaves the import root",
		"loop.proto":      "too many levels of symbolic links",
		"pipe.proto":      "not a regular file",
		"folder.proto":    "not a regular file",
		"../secret.proto": "is not a path inside an import root",
		secret:            "is not a path inside an import root",
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan string, 1)
			go func() {
				_, errs := compile(t, Input{Files: entries(name), Roots: []Root{{Dir: root}}})
				done <- errs
			}()
			select {
			case errs := <-done:
				if want == "" && errs != "" || !strings.Contains(errs, want) {
					t.Errorf("got %q, want %q", errs, want)
				}
			case <-time.After(time.Minute):
				t.Fatal("it is still reading")
			}
		})
	}
}
