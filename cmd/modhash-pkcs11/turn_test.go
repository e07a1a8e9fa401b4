// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
)

// TestUntried: after which answers a PIN is shown again. A token that may count them
// is never shown it twice.
func TestUntried(t *testing.T) {
	for code := range uint(0x400) {
		for _, maker := range []string{"SoftHSM project                 ", "SoftHSM project", "", "SoftHSM"} {
			c := &cryptoki{info: pkcs11.TokenInfo{ManufacturerID: maker}}
			want := code == pkcs11.CKR_USER_PIN_NOT_INITIALIZED || code == pkcs11.CKR_GENERAL_ERROR && strings.HasPrefix(maker, "SoftHSM project")
			if got := c.untried(pkcs11.Error(code)); got != want {
				t.Errorf("%q, 0x%x: %v", maker, code, got)
			}
		}
	}
}

func TestInTurn(t *testing.T) {
	module := filepath.Join(t.TempDir(), "module.so")
	if err := os.WriteFile(module, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	calls, wrong := 0, errors.New("wrong")
	passing := func(until int, after error) func() error {
		calls = 0
		return func() error {
			if calls++; calls < until {
				return passingError{errors.New("passing")}
			}
			return after
		}
	}
	if err := inTurn(module, passing(5, nil)); err != nil || calls != 5 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := inTurn(module, passing(2, wrong)); err != wrong || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
	start := time.Now()
	err := inTurn(module, passing(1<<30, nil))
	var p passingError
	if err == nil || errors.As(err, &p) || err.Error() != "passing" || calls < 3 || time.Since(start) > 2*patience {
		t.Errorf("%v after %d calls, %v", err, calls, time.Since(start))
	}
}

// TestInTurnLate: who had to wait for the turn tries as often as anybody.
func TestInTurnLate(t *testing.T) {
	module := filepath.Join(t.TempDir(), "module.so")
	if err := os.WriteFile(module, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	give := takeTurn(module, time.Minute)
	time.AfterFunc(patience+100*time.Millisecond, give)
	calls := 0
	err := inTurn(module, func() error {
		if calls++; calls < 4 {
			return passingError{errors.New("passing")}
		}
		return nil
	})
	if err != nil || calls != 4 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestTakeTurn: a turn excludes another one, is not waited for without end, and is
// over when it is given back, also one that came too late.
func TestTakeTurn(t *testing.T) {
	module := filepath.Join(t.TempDir(), "module.so")
	if err := os.WriteFile(module, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	isFree := func() bool {
		f, err := os.Open(module)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // with the lock
		return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	}
	first := takeTurn(module, time.Minute)
	if isFree() {
		t.Fatal("there is no lock")
	}
	start := time.Now()
	second := takeTurn(module, 20*time.Millisecond)
	if time.Since(start) < 20*time.Millisecond {
		t.Error("the second did not wait")
	}
	second()
	if isFree() {
		t.Error("the second gave the first one's turn back")
	}
	third := make(chan func())
	go func() { third <- takeTurn(module, time.Minute) }()
	select {
	case <-third:
		t.Error("two turns at once")
	case <-time.After(20 * time.Millisecond):
	}
	first()
	(<-third)()
	for deadline := time.Now().Add(10 * time.Second); !isFree(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is never free again")
		}
	}
	for _, none := range []string{filepath.Join(t.TempDir(), "none.so"), "found-by-the-linker.so"} {
		takeTurn(none, time.Minute)()
	}
}

// TestTurnHoldsSignals: one that comes in the turn comes when it is over.
func TestTurnHoldsSignals(t *testing.T) {
	if os.Getenv("MODHASH_TEST_TURN") != "" {
		give := takeTurn(os.Getenv("MODHASH_TEST_TURN"), time.Minute)
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		os.Stdout.WriteString("still there\n")
		give()
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTurnHoldsSignals$")
	cmd.Env = append(os.Environ(), "MODHASH_TEST_TURN="+filepath.Join(t.TempDir(), "none.so"))
	out, err := cmd.Output()
	if string(out) != "still there\n" || err == nil || err.Error() != "signal: terminated" {
		t.Errorf("%q, %v", out, err)
	}
}
