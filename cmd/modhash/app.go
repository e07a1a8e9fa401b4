// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
)

// Exit codes of the program.
const (
	exitOK       = 0 // everything checked and equal or valid
	exitFinding  = 1 // something differs or is not valid
	exitTrouble  = 2 // wrong usage, or something could not be done
	exitAccepted = 3 // differs, but only in what was accepted
)

// app is one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	color          string
	quiet          bool
}

// codeError ends the program with a code and, where the result has said it all
// on standard output, without a message.
type codeError struct {
	code int
	err  error // nil: nothing to say
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// finding is an error that is a finding, not trouble.
func finding(format string, args ...any) error {
	return &codeError{exitFinding, fmt.Errorf(format, args...)}
}

// code ends with a code whose reason is on standard output.
func code(c int) error {
	if c == exitOK {
		return nil
	}
	return &codeError{code: c}
}

// hintError adds what the user can do.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }

func (e *hintError) Unwrap() error { return e.err }

func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// usageError is a wrong command line.
func usageError(format string, args ...any) error { return &usage{fmt.Errorf(format, args...)} }

type usage struct{ err error }

func (u *usage) Error() string { return u.err.Error() }

func (u *usage) Unwrap() error { return u.err }

// run is the program without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return a.conclude(cmd, err)
}

// conclude reports an error and finds the exit code.
func (a *app) conclude(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	exit := exitTrouble
	var ce *codeError
	if errors.As(err, &ce) {
		exit = ce.code
		if ce.err == nil {
			return exit
		}
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; nothing was written")
		if _, many := cmd.Annotations[manyFilesAnnotation]; many {
			err = errors.New("interrupted; every file is the old or the new one, the next run does the rest")
		}
	}
	a.tell(err)
	var h *hintError // the outermost one knows most
	if errors.As(err, &h) {
		a.message("hint", h.hint)
	}
	var u *usage
	if errors.As(err, &u) {
		a.message("hint", fmt.Sprintf("%q tells how it is used", helpCall(cmd)))
	}
	return exit
}

// helpCall is the command that explains cmd.
func helpCall(cmd *cobra.Command) string {
	if cmd.Name() == "help" || !cmd.HasParent() {
		return "modhash help"
	}
	return "modhash help " + strings.TrimPrefix(cmd.CommandPath(), "modhash ")
}

// tell reports an error, or each of several that were joined.
func (a *app) tell(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			a.tell(e)
		}
		return
	}
	a.message("error", err.Error())
}

// message writes one line to standard error. Text from the input is in it.
func (a *app) message(kind, text string) {
	fmt.Fprintf(a.stderr, "modhash: %s: %s\n", kind, report.Safe(text))
}

// warn tells of a problem that does not end the program.
func (a *app) warn(format string, args ...any) { a.message("warning", fmt.Sprintf(format, args...)) }

// style is how reports are rendered on standard output.
func (a *app) style() report.Style { return report.Style{Color: a.useColor()} }

func (a *app) useColor() bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(a.stdout)
}
