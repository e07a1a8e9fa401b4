// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Long:  "Prints the version of the program, the commit that it was built from if that is known,\nand the Go version.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, versionText())
			return err
		},
	}
}

// versionText comes from what the Go tool recorded in the program.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "modhash (unknown version)"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
	}
	s := "modhash " + version
	for _, set := range info.Settings {
		switch {
		case set.Key == "vcs.revision" && len(set.Value) >= 12:
			s += " " + set.Value[:12]
		case set.Key == "vcs.modified" && set.Value == "true":
			s += " modified"
		}
	}
	return s + " " + info.GoVersion
}
