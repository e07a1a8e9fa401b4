// SPDX-License-Identifier: Apache-2.0

// Command modhash hashes the modules of a Linux kernel build into a manifest
// and a hashset, checks builds and packages against it, and compares builds.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	os.Exit(mainCode())
}

// mainCode lets deferred calls run before the program exits.
func mainCode() int {
	// Small heaps are not worth collecting, and large ones, of which most is
	// buffers that are kept, must not double.
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(1600)
		debug.SetMemoryLimit(112 << 20)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal everything is cleaned up; a second one kills.
	context.AfterFunc(ctx, stop)
	return run(ctx, byName(os.Args), os.Stdin, os.Stdout, os.Stderr)
}
