// SPDX-License-Identifier: Apache-2.0

// Command modhash hashes the modules of a Linux kernel build into a manifest
// and a hashset, checks builds and packages against it, and compares builds.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(mainCode())
}

// mainCode lets deferred calls run before the program exits.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal everything is cleaned up; a second one kills.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
