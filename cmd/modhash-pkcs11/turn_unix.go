// SPDX-License-Identifier: Apache-2.0

//go:build cgo && (linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// takeTurn waits until no other modhash-pkcs11 opens a token of the module or logs
// in there, and lets none until the turn is given back. A signal that comes
// meanwhile, other than SIGKILL, ends the process only then: a token in files may be
// half written.
//
// The lock is one of the module's file, so that no folder for it has to exist; for
// a module that only the dynamic linker finds it is one of this program's file.
// Whoever may read the file can keep it locked, so it is not waited for longer than
// most, and where there are no locks, none is no failure.
func takeTurn(module string, most time.Duration) (give func()) {
	unlock := lock(module, most)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	return func() {
		unlock()
		signal.Stop(signals)
		select {
		case s := <-signals:
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal)) // as if it came now
		default:
		}
	}
}

func lock(module string, most time.Duration) (unlock func()) {
	if !filepath.IsAbs(module) {
		var err error
		if module, err = os.Executable(); err != nil {
			return func() {}
		}
	}
	f, err := os.Open(module)
	if err != nil {
		return func() {}
	}
	// Not by turns of trying and sleeping: the kernel lets those in who wait.
	waited := make(chan struct{})
	go func() {
		for errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX), syscall.EINTR) {
		}
		close(waited)
	}()
	free := func() {
		<-waited
		// Closing it would not do if the module's code has forked.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		_ = f.Close() // read only
	}
	select {
	case <-waited:
		return free
	case <-time.After(most):
		go free()
		return func() {}
	}
}
