// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const signingVectors = "../../testdata/vectors/signing/"

func readVector(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(signingVectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signFileRun calls the program as sign-file.
func signFileRun(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := run(context.Background(), byName(append([]string{"/usr/bin/sign-file"}, args...)), nil, &stdout, &stderr)
	if stdout.Len() > 0 {
		t.Errorf("%q: standard output %q", args, stdout.String())
	}
	return c, stderr.String()
}

// TestSignFileVectors makes the files that the kernel's sign-file made, byte for
// byte, where they do not differ from run to run; of ECDSA that is the one with
// the nonce of RFC 6979.
func TestSignFileVectors(t *testing.T) {
	files, err := filepath.Glob(signingVectors + "signed/*.signed")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	equal := 0
	for _, file := range files {
		base := strings.TrimSuffix(filepath.Base(file), ".signed")
		part := strings.Split(base, ".")
		name, hash := part[0], part[1]
		if strings.HasPrefix(name, "mldsa") {
			hash = "sha512" // the default, of all these files
			if part[1] == "attrs" {
				continue // another form
			}
		}
		module := filepath.Join(t.TempDir(), "x.ko")
		if err := os.WriteFile(module, readVector(t, "payload.bin"), 0o640); err != nil {
			t.Fatal(err)
		}
		args := []string{hash, signingVectors + name + ".key", signingVectors + name + ".der", module}
		if slices.Contains(part, "keyid") {
			args = append([]string{"-pk"}, args...)
		} else {
			args = append(args, "-p") // options may come last
		}
		if c, said := signFileRun(t, args...); c != 0 || said != "" {
			t.Errorf("%s: exit code %d, %s", base, c, said)
			continue
		}
		got, err := os.ReadFile(module)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := os.ReadFile(module + ".p7s")
		if err != nil || !bytes.Equal(saved, got[1031:len(got)-40]) {
			t.Errorf("%s: the saved message is another one: %v", base, err)
		}
		if st, err := os.Stat(module); err != nil || st.Mode() != 0o640 {
			t.Errorf("%s: %v, %v", base, st.Mode(), err)
		}
		want := readVector(t, "signed/"+base+".signed")
		if strings.HasPrefix(name, "rsa") || slices.Contains(part, "rfc6979") {
			equal++
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the file differs", base)
			}
		} else if d := len(got) - len(want); d < -4 || d > 4 || !bytes.Equal(got[:1031+100], want[:1031+100]) {
			// Lengths within the message differ by those of r and s.
			if d < -4 || d > 4 {
				t.Errorf("%s: %d bytes, the kernel's program made %d", base, len(got), len(want))
			}
		}
	}
	if equal < 9 {
		t.Errorf("only %d files compared byte for byte", equal)
	}
}

// TestSignFileAppend: with -s, what is in the file is appended, whatever it is;
// hash and certificate are never opened.
func TestSignFileAppend(t *testing.T) {
	dir := t.TempDir()
	module, dest, sig := filepath.Join(dir, "x.ko"), filepath.Join(dir, "y.ko"), signingVectors+"signed/rsa2048.sha256.p7s"
	if err := os.WriteFile(module, readVector(t, "payload.bin"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, said := signFileRun(t, "-s", sig, "dummy", "dummy", module, dest); c != 0 || said != "" {
		t.Errorf("exit code %d, %s", c, said)
	}
	got, err := os.ReadFile(dest)
	if err != nil || !bytes.Equal(got, readVector(t, "signed/rsa2048.sha256.signed")) {
		t.Errorf("another file: %v", err)
	}
	if now, err := os.ReadFile(module); err != nil || len(now) != 1031 {
		t.Errorf("the module was changed: %v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, said := signFileRun(t, "-sdp", empty, "dummy", "dummy", module, module); c != 0 {
		t.Errorf("exit code %d, %s", c, said)
	}
	if now, err := os.ReadFile(module); err != nil || len(now) != 1031+40 {
		t.Errorf("%d bytes: %v", len(now), err)
	}
}

// TestSignFileErrors: codes and traces of what goes wrong.
func TestSignFileErrors(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "x.ko")
	payload := readVector(t, "payload.bin")
	if err := os.WriteFile(module, payload, 0o600); err != nil {
		t.Fatal(err)
	}
	key, cert := signingVectors+"rsa2048.key", signingVectors+"rsa2048.der"
	encrypted := "../../modsig/keys/testdata/pbkdf2-aes-256-cbc.key"
	t.Setenv(pinVariable, "wrong-pin")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{}, 2, "0 arguments"},
		{[]string{"sha256", key, cert}, 2, "3 arguments"},
		{[]string{"a", "b", "c", "d", "e", "f"}, 2, "6 arguments"},
		{[]string{"-x", "sha256", key, cert, module}, 2, "no option -x"},
		{[]string{"--help"}, 2, "no option --"},
		{[]string{"--", "-k", key, cert, module}, 1, `hash "-k"`},
		{[]string{"md5", key, cert, module}, 1, "no signatures are made with"},
		{[]string{"sha256", key, signingVectors + "unknown.der", module}, 1, "does not belong"},
		{[]string{"sha256", dir + "/none", cert, module}, 1, "no such file"},
		{[]string{"sha256", key, dir + "/none", module}, 1, "no such file"},
		{[]string{"sha256", key, cert, dir + "/none"}, 1, "no such file"},
		{[]string{"sha256", key, cert, module, dir + "/none/x"}, 1, "no such file"},
		{[]string{"sha256", key, cert, dir}, 1, "no regular file"},
		{[]string{"-s", dir + "/none", "sha256", cert, module}, 1, "no such file"},
		{[]string{"sha256", encrypted, signingVectors + "ecp384.der", module}, 1, "the PIN is wrong"},
	} {
		code, said := signFileRun(t, c.args...)
		if code != c.code || !strings.Contains(said, c.want) || strings.Contains(said, "wrong-pin") {
			t.Errorf("%q: exit code %d, %s", c.args, code, said)
		}
	}
	t.Setenv(pinVariable, "")
	if code, said := signFileRun(t, "sha256", encrypted, signingVectors+"ecp384.der", module); code != 1 || !strings.Contains(said, pinVariable) {
		t.Errorf("exit code %d, %s", code, said)
	}
	now, err := os.ReadFile(module)
	if entries, _ := os.ReadDir(dir); err != nil || !bytes.Equal(now, payload) || len(entries) != 1 {
		t.Errorf("the module was changed, or a file left: %v, %v", err, entries)
	}
	t.Setenv(pinVariable, "modhash")
	if code, said := signFileRun(t, "-d", "sha256", encrypted, signingVectors+"ecp384.der", module, module+".other"); code != 0 {
		t.Errorf("exit code %d, %s", code, said)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("-d: %v", entries)
	}
	// A second signature goes behind the first, as the kernel's program does it.
	for i, want := range []string{"", "ends in a signature already"} {
		if code, said := signFileRun(t, "sha256", key, cert, module); code != 0 || (said == "") != (i == 0) || !strings.Contains(said, want) {
			t.Errorf("exit code %d, %s", code, said)
		}
	}
	if now, err := os.ReadFile(module); err != nil || len(now) != 1031+2*(487+40) {
		t.Errorf("%d bytes: %v", len(now), err)
	}
}
