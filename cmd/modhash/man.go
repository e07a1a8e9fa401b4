// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// man is for the makefile: it writes the man pages of all verbs.
func (a *app) man() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "write the man pages into a folder",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("want one folder")
			}
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			for _, c := range documented(root) {
				name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
				err := a.output(cmd.Context(), filepath.Join(args[0], name), func(w io.Writer) error {
					_, err := io.WriteString(w, manPage(c))
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// documented are the commands with a page: c, and those below it.
func documented(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			out = append(out, documented(sub)...)
		}
	}
	return out
}

// roffText escapes running text: what roff would take for its own.
func roffText(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// manPage renders what help prints as a man(7) page without a date, so that
// the same program always has the same pages.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	p(`.TH %s 1 "" "modhash" "modhash manual"`, roffText(strings.ToUpper(name)))
	p(".SH NAME\n%s \\- %s", roffText(name), roffText(c.Short))
	p(".SH SYNOPSIS\n%s", roffText(usageLine(c)))
	if c.Long != "" {
		p(".SH DESCRIPTION")
		manParagraphs(&b, c.Long)
	}
	if c.HasAvailableSubCommands() {
		p(".SH VERBS")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				p(".TP\n.B %s\n%s", roffText(sub.Name()), roffText(sub.Short))
			}
		}
	}
	p(".SH OPTIONS")
	manFlags(&b, c.NonInheritedFlags())
	manFlags(&b, c.InheritedFlags())
	if exit := c.Annotations[exitAnnotation]; exit != "" {
		p(".SH EXIT STATUS")
		for _, l := range strings.Split(exit, "\n") {
			code, text, _ := strings.Cut(l, " ")
			p(".TP\n.B %s\n%s", code, roffText(text))
		}
	}
	if c.Example != "" {
		p(".SH EXAMPLES\n.nf\n%s\n.fi", roffText(c.Example))
	}
	p(".SH SEE ALSO")
	var also []string
	for _, o := range documented(c.Root()) {
		if o != c {
			also = append(also, ".BR "+roffText(strings.ReplaceAll(o.CommandPath(), " ", "-"))+" (1)")
		}
	}
	p("%s", strings.Join(also, ",\n"))
	return b.String()
}

// manParagraphs keeps indented blocks as they are.
func manParagraphs(b *strings.Builder, text string) {
	for i, para := range strings.Split(text, "\n\n") {
		if i > 0 {
			fmt.Fprintln(b, ".PP")
		}
		if strings.HasPrefix(para, "  ") {
			fmt.Fprintf(b, ".nf\n%s\n.fi\n", roffText(para))
			continue
		}
		fmt.Fprintln(b, roffText(para))
	}
}

func manFlags(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		arg, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if arg != "" {
			arg = " " + arg
		}
		fmt.Fprintf(b, ".TP\n.BR \"%s\" \"%s\"\n%s\n", roffText(name), roffText(arg), roffText(usage))
	})
}
