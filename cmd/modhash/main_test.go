// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modhash/modhash/testdata/gen/sample"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"modhash": main, merkleTreeName: main, signFileName: main})
}

// samples makes the sample builds once for all scripts.
func samples(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sample")
	if err := sample.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copySamples copies the sample builds to where a script runs. The keys must be their
// owner's alone, which CopyFS does not keep.
func copySamples(work, from string) error {
	to := filepath.Join(work, "sample")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	var errs []error
	for _, name := range []string{"a.pem", "b.pem", "alice.key", "bob.key", "carol.key"} {
		errs = append(errs, os.Chmod(filepath.Join(to, "keys", name), 0o600))
	}
	return errors.Join(errs...)
}

// TestScripts runs testdata/scripts: one script a topic. Each finds the sample
// builds in $WORK/sample.
func TestScripts(t *testing.T) {
	dir := samples(t)
	share, err := filepath.Abs("../../kbuild/share")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/scripts",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SHARE", share)
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmpdir"))
			if err := os.Mkdir(filepath.Join(env.WorkDir, "tmpdir"), 0o777); err != nil {
				return err
			}
			return copySamples(env.WorkDir, dir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      scriptCode,
			"notmp":     scriptNoTemp,
			"replace":   scriptReplace,
			"overwrite": scriptOverwrite,
			"verdict":   scriptVerdict,
			"mutate":    scriptMutate,
			"tarball":   scriptTarball,
			"kernel":    scriptKernel,
			"schema":    scriptSchema,
		},
	})
}

// scriptCode is "code N COMMAND…": the exit code must be N.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// scriptNoTemp is "notmp DIR…": no temporary file may be left.
func scriptNoTemp(ts *testscript.TestScript, neg bool, args []string) {
	for _, dir := range args {
		err := filepath.WalkDir(ts.MkAbs(dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (strings.HasSuffix(d.Name(), ".modhash-out") || strings.HasSuffix(d.Name(), ".modhash-tmp") || strings.HasPrefix(d.Name(), "modhash-")) {
				ts.Fatalf("left behind: %s", path)
			}
			return nil
		})
		ts.Check(err)
	}
}

// scriptReplace is "replace FILE OLD NEW": every OLD becomes NEW; \n, \r, \t
// and \0 are what they are in Go.
func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace file old new")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	unescape := strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\0`, "\x00")
	old := unescape.Replace(args[1])
	if !bytes.Contains(data, []byte(old)) {
		ts.Fatalf("%q is not in %s", old, args[0])
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(data, []byte(old), []byte(unescape.Replace(args[2]))), 0o666))
}

// scriptOverwrite is "overwrite FILE OLD NEW": the bytes of the file OLD, which
// FILE holds, become those of the file NEW, which has as many.
func scriptOverwrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: overwrite file old new")
	}
	var data [3][]byte
	for i, name := range args {
		var err error
		data[i], err = os.ReadFile(ts.MkAbs(name))
		ts.Check(err)
	}
	if bytes.Count(data[0], data[1]) != 1 || len(data[1]) != len(data[2]) {
		ts.Fatalf("%s is not once in %s, or not as long as %s", args[1], args[0], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Replace(data[0], data[1], data[2], 1), 0o666))
}

// scriptVerdict is "verdict TEXT": the first line of standard output starts so.
func scriptVerdict(ts *testscript.TestScript, neg bool, args []string) {
	out := ts.ReadFile("stdout")
	first, _, _ := strings.Cut(out, "\n")
	if strings.HasPrefix(first, strings.Join(args, " ")) == neg {
		ts.Fatalf("first line is %q", first)
	}
}

// TestHelpExamples runs the example of every verb: the lines that start with
// "$ " are commands, the lines after them are what they print.
func TestHelpExamples(t *testing.T) {
	root := (&app{}).root()
	n := 0
	for _, c := range documented(root) {
		if c.Example == "" {
			if c.Name() == "generate" || c.Name() == "verify" || c.Name() == "diff" {
				t.Errorf("%s has no example", c.Name())
			}
			continue
		}
		n++
		script := exampleScript(c.Example)
		file := filepath.Join(t.TempDir(), c.Name()+".txtar")
		if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
			t.Fatal(err)
		}
		dir := samples(t)
		testscript.Run(t, testscript.Params{
			Files: []string{file},
			Setup: func(env *testscript.Env) error {
				return copySamples(env.WorkDir, dir)
			},
		})
	}
	if n < 3 {
		t.Errorf("%d examples", n)
	}
}

// exampleScript makes a test script of an example.
func exampleScript(example string) string {
	var b, files strings.Builder
	n := 0
	lines := strings.Split(strings.TrimSpace(example), "\n")
	for i := 0; i < len(lines); {
		cmd := strings.TrimPrefix(lines[i], "$ ")
		var want []string
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], "$ "); i++ {
			want = append(want, lines[i])
		}
		n++
		name := "want" + string(rune('0'+n))
		b.WriteString("exec sh -c '" + cmd + "'\n")
		if len(want) > 0 {
			b.WriteString("cmp stdout " + name + "\n")
			files.WriteString("-- " + name + " --\n" + strings.Join(want, "\n") + "\n")
		} else {
			b.WriteString("! stdout .\n")
		}
	}
	return b.String() + files.String()
}

// TestRunInProcess holds the contract of run: no state is left behind, so the
// program can run twice in a process.
func TestRunInProcess(t *testing.T) {
	dir := samples(t)
	for range 2 {
		var out, errs bytes.Buffer
		if c := run(context.Background(), []string{"generate", filepath.Join(dir, "a")}, nil, &out, &errs); c != 0 {
			t.Fatalf("exit code %d: %s", c, errs.String())
		}
		if !strings.HasPrefix(out.String(), "# modhash manifest v1\n") || errs.Len() != 0 {
			t.Errorf("output %.60q, errors %q", out.String(), errs.String())
		}
	}
}

// TestInterrupted: a run that is interrupted ends with code 2, says so, and
// writes nothing.
func TestInterrupted(t *testing.T) {
	dir := samples(t)
	out := filepath.Join(t.TempDir(), "out")
	blocked, _ := io.Pipe()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	attested := func(args ...string) []string {
		return append([]string{"attest", "--subject", "linux=6.12-1/amd64", filepath.Join(dir, "a"), filepath.Join(dir, "b")}, args...)
	}
	for name, args := range map[string][]string{
		"generate":              {"generate", filepath.Join(dir, "a"), "-o", out},
		"verify standard input": {"verify", "--manifest", "-", filepath.Join(dir, "a")},
		"verify a pipe":         {"verify", "--manifest", pipe, filepath.Join(dir, "a")},
		"generate with a pipe":  {"generate", "--order", pipe, filepath.Join(dir, "a")},
		"keys in a pipe":        {"verify", "--keys", pipe, filepath.Join(dir, "a")},
		"unsigned by a pipe":    {"verify", "--keys", filepath.Join(dir, "keys/a.crt"), "--allow-unsigned", pipe, filepath.Join(dir, "a")},
		"config in a pipe":      {"check-load", "--config", pipe, filepath.Join(dir, "tree/vmlinux"), filepath.Join(dir, "a")},
		"symvers in a pipe":     {"check-load", "--symvers", pipe, filepath.Join(dir, "tree/vmlinux"), filepath.Join(dir, "a")},
		"keyring in a pipe":     {"check-load", "--keyring", pipe, filepath.Join(dir, "tree/vmlinux"), filepath.Join(dir, "a")},
		"map in a pipe":         {"check-load", "--system-map", pipe, filepath.Join(dir, "tree/vmlinux"), filepath.Join(dir, "a")},
		"lint of a pipe":        {"lint", pipe},
		"key in a pipe":         attested("--key", pipe, "--input", pipe),
		"public key in a pipe":  attested("--key", "exec:true", "--public-key", pipe, "--input", pipe),
		"built from a pipe":     attested("--key", filepath.Join(dir, "keys/alice.key"), "--input", pipe),
		"certificate in a pipe": {"sign", "--key", filepath.Join(dir, "keys/a.pem"), "--cert", pipe, filepath.Join(dir, "d")},
		"form in a pipe":        {"sign", "--key", filepath.Join(dir, "keys/a.pem"), "--config", pipe, filepath.Join(dir, "d")},
		"attach by a pipe":      {"attach", "--from", dir, "--cert", pipe, filepath.Join(dir, "d")},
		"check of a pipe":       {"keys", "check", filepath.Join(dir, "tree/vmlinux"), pipe},
		"expected in a pipe":    {"diff", "--expect", pipe, filepath.Join(dir, "a"), filepath.Join(dir, "b")},
		"diff standard input":   {"diff", "-", filepath.Join(dir, "a")},
		"diff":                  {"diff", filepath.Join(dir, "a"), filepath.Join(dir, "b")},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		if name == "verify standard input" || strings.HasSuffix(name, "pipe") {
			time.AfterFunc(50*time.Millisecond, cancel) // while it waits
		} else {
			cancel()
		}
		var stdout, stderr bytes.Buffer
		c := run(ctx, args, blocked, &stdout, &stderr)
		if c != exitTrouble || stderr.String() != "modhash: error: interrupted; nothing was written\n" || stdout.Len() != 0 {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, c, stdout.String(), stderr.String())
		}
		cancel()
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the output was written")
	}
}
