// SPDX-License-Identifier: Apache-2.0

// Command innermost writes the innermost layer of a kernel image, vmlinux or a
// flat binary, to standard output, so that a script can compare it with what
// other programs unpack.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/modhash/modhash/kbuild/image"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: innermost IMAGE")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "innermost:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	im, err := image.Open(context.Background(), f, st.Size(), nil)
	if err != nil {
		return err
	}
	defer im.Close()
	_, err = io.Copy(w, im.Kernel())
	return err
}
