// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The annotations of a command that help and man page show besides what cobra
// knows.
const (
	exitAnnotation      = "exit"       // lines "CODE meaning"
	manyFilesAnnotation = "many-files" // the verb writes one file after the other
)

const rootLong = `modhash hashes the in-tree modules of a Linux kernel build into a manifest and
an embeddable hashset, checks a build or a package against it, and compares two
independent builds. It never looks at signatures to decide what is equal, so it
works on builds that were signed with throw-away keys, and on builds that were
not signed at all.

A BUILD is a directory (a folder of modules, a root that holds one, or a build
tree) or a package (deb, rpm, pacman, tar). Packages that belong together are
given together.`

const commonExit = `0 everything was checked and is equal or valid
1 a finding: something differs, is missing or is not valid
2 wrong usage, or something could not be read or written
3 findings, but only accepted ones (--accept, --allow-unsigned)`

// root makes the command tree. Help, completions and man pages come from it.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "modhash",
		Short:         "reproducible integrity for Linux kernel modules",
		Long:          rootLong,
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{exitAnnotation: commonExit},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown verb %q", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.Version = strings.TrimPrefix(versionText(), "modhash ")
	root.SetVersionTemplate("modhash {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usage{err} })
	root.PersistentFlags().StringVar(&a.color, "color", "auto", "colour the verdict: `WHEN` is auto, always or never")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no progress, no warnings")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		switch a.color {
		case "auto", "always", "never":
			return nil
		}
		return usageError("--color %s, want auto, always or never", a.color)
	}
	root.AddCommand(a.generate(), a.verify(), a.diff(), a.inspect(), a.checkLoad(), a.embed(), a.prove(), a.sign(), a.unsign(), a.detach(), a.attach(), a.attest(), a.consensus(), a.lint(), a.keys(), a.kconfig(), a.merkleTree(), a.signFile(), a.version(), a.completion(), a.man())
	root.SetHelpCommand(a.help(root))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(a.stdout, helpText(cmd)) })
	complete(root, "color", "auto", "always", "never")
	return root
}

// complete registers the words that a flag takes.
func complete(cmd *cobra.Command, flag string, values ...string) {
	words := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(flag, words); err != nil {
		panic(err) // the flag was registered just now
	}
}

func (a *app) help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB [VERB]]",
		Short: "explain a verb",
		Args:  cobra.MaximumNArgs(2),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				if !c.Hidden {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd := root
			if len(args) > 0 {
				found, rest, err := root.Find(args)
				if err != nil || found == root || len(rest) > 0 {
					return usageError("no verb %q", strings.Join(args, " "))
				}
				cmd = found
			}
			return cmd.Help()
		},
	}
}

// helpText is what "modhash help VERB" prints.
func helpText(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nusage: %s\n", cmd.CommandPath(), cmd.Short, usageLine(cmd))
	if cmd.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", cmd.Long)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nVerbs:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-12s %s\n", c.Name(), c.Short)
			}
		}
	}
	if !cmd.DisableFlagParsing {
		writeFlags(&b, "Options", cmd.NonInheritedFlags())
		writeFlags(&b, "Options of every verb", cmd.InheritedFlags())
	}
	if exit := cmd.Annotations[exitAnnotation]; exit != "" {
		fmt.Fprintf(&b, "\nExit codes:\n%s\n", indent(exit))
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExample:\n%s\n", indent(cmd.Example))
	}
	return b.String()
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return cmd.Parent().CommandPath() + " " + cmd.Use
	}
	return "modhash VERB [ARGUMENT]..."
}

func writeFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		fmt.Fprintf(b, "\n%s:\n%s", title, flags.FlagUsagesWrapped(90))
	}
}

func indent(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }
