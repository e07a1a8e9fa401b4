// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/prove"
)

const merkleTreeName = "modules-merkle-tree"

const merkleTreeLong = `Does what the kernel's host program scripts/modules-merkle-tree does, with the same
arguments, files and exit codes, so that a makefile calls it in its place; also
when the program is called modules-merkle-tree (by a link).

It runs in the root of a build tree. For every line of modules.order, which ends
in ".o", it hashes the module (the name with SUFFIX instead), writes the root of
the tree as C text to C-FILE, and a sidecar beside every module (the name with
".merkle"). SUFFIX is .ko, or .ko.stripped if the build strips its modules.

Unlike the kernel's program it hashes modules in parallel, writes nothing unless
all of them could be read, and renames files into place. Everything in the module
files counts: they must not carry a signature. For .ko "modhash prove" makes the
same sidecars with all the checks of modhash.`

const merkleTreeExample = `$ cd sample/tree && modhash modules-merkle-tree .tmp_module_hashes.c .ko
$ head -1 sample/tree/.tmp_module_hashes.c
#include <linux/module_hashes.h>`

func (a *app) merkleTree() *cobra.Command {
	cmd := &cobra.Command{
		Use:         merkleTreeName + " C-FILE SUFFIX",
		Short:       "the kernel's host program of that name",
		Long:        merkleTreeLong,
		Example:     merkleTreeExample,
		Annotations: map[string]string{manyFilesAnnotation: "", exitAnnotation: "0 the files were written\n1 anything went wrong\n2 not two arguments"},
		// The kernel's program has no options: a name may start with a hyphen.
		DisableFlagParsing: true,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
			return cmd.Help()
		case len(args) > 0 && args[0] == "--": // from byName
			args = args[1:]
		}
		if len(args) != 2 {
			return &codeError{exitTrouble, usageError("%d arguments, want C-FILE and SUFFIX", len(args))}
		}
		if args[0] == "" || args[1] == "" {
			return &codeError{1, errors.New("an empty argument: C-FILE and SUFFIX are names")}
		}
		p := prove.Program{CFile: args[0], Suffix: args[1], Workers: runtime.GOMAXPROCS(0)}
		if _, _, err := p.Run(cmd.Context()); err != nil {
			return &codeError{1, merkleTreeHint(err)}
		}
		return nil
	}
	return cmd
}

// merkleTreeHint says what to do about an error.
func merkleTreeHint(err error) error {
	var le *prove.LineError
	if errors.As(err, &le) && strings.Contains(le.Error(), "does not end in") {
		return withHint(err, "this runs in a build tree, whose modules.order has one object file a line")
	}
	return err
}

// byName adds the verb that a program name stands for, so that links to the
// program serve as the kernel's own programs.
func byName(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	if name := filepath.Base(argv[0]); slices.Contains([]string{merkleTreeName, signFileName}, name) {
		return append([]string{name, "--"}, argv[1:]...)
	}
	return argv[1:]
}
