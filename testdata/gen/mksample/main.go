// SPDX-License-Identifier: Apache-2.0

// Command mksample writes the built-in sample builds into a folder.
package main

import (
	"fmt"
	"os"

	"github.com/modhash/modhash/testdata/gen/sample"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mksample FOLDER")
		os.Exit(2)
	}
	if err := sample.Write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mksample:", err)
		os.Exit(1)
	}
}
