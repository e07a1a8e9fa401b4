// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestSignInterrupted: a key program that hangs does not hold the user, and what
// was written by then is said.
func TestSignInterrupted(t *testing.T) {
	dir := samples(t)
	d := filepath.Join(dir, "d")
	waits := filepath.Join(t.TempDir(), "waits")
	program := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text+"\nread -r x; : > "+waits+"; exec sleep 100"), 0o600); err != nil {
			t.Fatal(err)
		}
		return "exec:sh " + path
	}
	hangs := program("hangs", "")
	once := program("once", `read -r x a h d; echo "signature $(printf %s "$d" | base64 -d > $0.digest && openssl pkeyutl -sign -inkey `+
		filepath.Join(dir, "keys/a.pem")+` -pkeyopt digest:sha512 -in $0.digest | base64 -w0)"`)
	_, missing := exec.LookPath("openssl")
	for name, c := range map[string]struct {
		key  string
		cert bool
		want string
	}{
		"certificate": {hangs, false, "modhash: error: interrupted; nothing was written\n"},
		"signature":   {hangs, true, "modhash: error: interrupted; 0 modules written, the others are as they were\n"},
		"second":      {once, true, "modhash: error: interrupted; 1 module written, the others are as they were\n"},
	} {
		if name == "second" && missing != nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			for range 2000 { // until it waits, for 20 seconds at most
				if os.Remove(waits) == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		}()
		args := []string{"sign", "-j1", "--key", c.key, d}
		if c.cert {
			args = append(args, "--cert", filepath.Join(dir, "keys/a.crt"))
		}
		var stdout, stderr bytes.Buffer
		code := run(ctx, args, nil, &stdout, &stderr)
		said := stderr.String()
		if code != exitTrouble || said != c.want || stdout.Len() != 0 {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, stdout.String(), said)
		}
		cancel()
	}
}
