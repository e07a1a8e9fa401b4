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
	// Little garbage is made beside the buffers, which are held: waiting until
	// as much again has piled up would double the memory for nothing.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal everything is cleaned up; a second one kills.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
