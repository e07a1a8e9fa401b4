// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/outfile"
)

// output writes a result to standard output, or to a file: beside it and then
// renamed into place, so that a failed run leaves an old file whole and no new
// one behind.
func (a *app) output(ctx context.Context, path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		if err := write(a.stdout); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := outfile.Write(path, outfile.Options{}, write); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// say writes a line of result to standard output.
func (a *app) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.stdout, format+"\n", args...); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
