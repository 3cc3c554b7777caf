package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Missing names the Debian packages (and tools) that the servers still need on this machine.
func Missing() []string {
	var missing []string
	for name, present := range map[string]func() error{
		"postgresql":          func() error { _, err := postgresBin(); return err },
		"mariadb-server-core": func() error { _, err := lookPath("mariadbd"); return err },
		"mariadb-client-core": func() error { _, err := lookPath("my_print_defaults"); return err }, // of mariadb-install-db
		"rabbitmq-server":     func() error { _, err := rabbitmqBin(); return err },
		"pgbouncer":           func() error { _, err := lookPath("pgbouncer"); return err },
		"procps":              func() error { _, err := lookPath("ps"); return err },
		"default-jdk-headless": func() error {
			_, err := lookPath("java")
			return err
		},
		"maven": func() error {
			if _, err := kafkaJars(); err == nil {
				return nil // already fetched
			}
			_, err := lookPath("mvn")
			return err
		},
	} {
		if present() != nil {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// Install installs what is Missing with apt-get and fetches Kafka. It starts no system service and needs root
// unless nothing is missing. Progress goes to out.
func Install(ctx context.Context, out io.Writer) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(cache, "install.lock"))
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }() // a lock ends with the process at the latest
	if missing := Missing(); len(missing) > 0 {
		if err := aptInstall(ctx, out, missing); err != nil {
			return err
		}
	}
	return fetchKafka(ctx, out)
}

func aptInstall(ctx context.Context, out io.Writer, packages []string) error {
	list := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%w: install by hand: %s", ErrUnavailable, list)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: run as root: apt-get install %s", ErrUnavailable, list)
	}
	restore, err := forbidServiceStart("/usr/sbin/policy-rc.d")
	if err != nil {
		return err
	}
	env := append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	options := []string{"-q", "-y", "-o", "DPkg::Lock::Timeout=300"}
	for _, args := range [][]string{
		append([]string{"update"}, options...),
		append(append([]string{"install", "--no-install-recommends"}, options...), packages...),
	} {
		_, _ = fmt.Fprintln(out, "rig: apt-get", strings.Join(args, " "))
		if err := run(ctx, command{path: "apt-get", args: args, env: env}); err != nil {
			return errors.Join(err, restore())
		}
	}
	return restore()
}

// forbidServiceStart keeps a package from starting its own system service while it is installed: dpkg's
// scripts ask policy-rc.d. A policy that is already there is left alone.
func forbidServiceStart(path string) (restore func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("forbid service start: %w", err)
	}
	if _, err := f.WriteString("#!/bin/sh\nexit 101\n"); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return func() error { return os.Remove(path) }, nil
}

// cacheDir holds what was fetched once for all runs.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "svcgen-rig")
	return dir, os.MkdirAll(dir, 0o755)
}

// lookPath also looks where Debian puts daemons, which is not in every user's path.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

func writeFile(path, content, owner string) error {
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return err
	}
	return giveTo(path, owner)
}
