// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/modhash/modhash/kbuild/report"
)

// pages explains the reports that are pages.
const pages = `With --format html the report is one page that needs nothing beside it and loads
nothing: what differs and why, a map with a cell for each module, a table of modules to
search and sort, and for the module that is chosen a strip of its sections with the
bytes that differ. It has up to 20,000 modules; a name is cut after 300 bytes. In HTML
and Markdown a backslash of a name is written as two, what is not printable as \u{HH},
and a byte that is no UTF-8 as \xHH. In JUnit what is accepted or expected is skipped.
With --report the same result is written to files in other forms too.

`

// reportFormats are the forms of what diff and verify report.
var reportFormats = []string{"text", "json", "junit", "markdown", "html"}

func checkReportFormat(s string) error {
	if !slices.Contains(reportFormats, s) {
		return usageError("--format %s, want %s", s, join(reportFormats))
	}
	return nil
}

// reportFiles are files that the result is written to beside standard output.
type reportFiles []string

func (r *reportFiles) register(fl *pflag.FlagSet) {
	fl.StringArrayVar((*[]string)(r), "report", nil, "write the result to a file too, `FORM=FILE`; can be given several times")
}

func (r reportFiles) check() error {
	files := map[string]bool{}
	for _, s := range r {
		form, file, _ := strings.Cut(s, "=")
		if file == "" || file == "-" || !slices.Contains(reportFormats, form) {
			return usageError("--report %s, want FORM=FILE, where FORM is %s", s, join(reportFormats))
		}
		if files[file] {
			return usageError("--report names %s twice", file)
		}
		files[file] = true
	}
	return nil
}

// has reports whether a report is wanted in a form.
func (r reportFiles) has(form string) bool {
	return slices.ContainsFunc(r, func(s string) bool { return strings.HasPrefix(s, form+"=") })
}

// reports writes a result to standard output and to files. The files come first: where
// one cannot be written, no verdict is given. Colours are for a terminal alone.
func (a *app) reports(ctx context.Context, format string, all bool, files reportFiles, write func(w io.Writer, format string, s report.Style) error) error {
	for _, s := range files {
		form, file, _ := strings.Cut(s, "=")
		if err := a.output(ctx, file, func(w io.Writer) error { return write(w, form, report.Style{All: all}) }); err != nil {
			return err
		}
	}
	style := a.style()
	style.All = all
	return a.output(ctx, "", func(w io.Writer) error { return write(w, format, style) })
}
