// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modhash/modhash/testdata/gen/ko"
)

// sharedBuffer may be written to by several goroutines.
type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sharedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sharedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestAwaited: who reads all its input before it answers is waited for aloud, and
// not longer than was asked for; who answers is not spoken of.
func TestAwaited(t *testing.T) {
	if _, err := exec.LookPath("cat"); err != nil {
		t.Fatal(err)
	}
	a := &app{stderr: &sharedBuffer{}}
	start := func(timeout time.Duration, argv ...string) (*awaited, *atomic.Int32) {
		rw, err := a.starter(timeout)(context.Background(), argv)
		if err != nil {
			t.Fatal(err)
		}
		p, late := rw.(*awaited), &atomic.Int32{}
		p.wait, p.late = time.Millisecond, func() { late.Add(1) }
		return p, late
	}
	p, late := start(500*time.Millisecond, "sh", "-c", "all=$(exec cat); echo $all")
	if _, err := p.Write([]byte("request\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Read(make([]byte, 10)); err == nil {
		t.Errorf("%d bytes", n)
	}
	if err := p.Close(); err == nil || late.Load() != 1 {
		t.Errorf("%v; told %d times", err, late.Load())
	}
	p, _ = start(0, "cat")
	p.wait = time.Hour
	if _, err := p.Write([]byte("request\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Read(make([]byte, 10)); err != nil || n != 8 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if p.timers[0].Stop() {
		t.Error("still waited for")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestKeyTimeout ends a program that does not answer.
func TestKeyTimeout(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Fatal(err)
	}
	var stderr sharedBuffer
	var stdout bytes.Buffer
	module := t.TempDir() + "/m.ko"
	if err := os.WriteFile(module, ko.Module{Name: "m", Release: "6.12.0-test", Text: ko.Code("m", 900)}.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"sign", "--key", "exec:sleep 60", "--cert", signingVectors + "rsa2048.der", "--key-timeout", "200ms", module}
	if c := run(context.Background(), args, nil, &stdout, &stderr); c != 2 || !strings.Contains(stderr.String(), "without an answer (none came within 200ms, which is how long --key-timeout waits)") {
		t.Errorf("exit code %d, %s", c, stderr.String())
	}
}
