// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killDir is set in the environment of the process that TestKill kills;
// killRounds says how often, if not the default.
const (
	killDir    = "MODHASH_TEST_KILL_DIR"
	killRounds = "MODHASH_TEST_KILL_ROUNDS"
	killNoTemp = "MODHASH_TEST_KILL_NOTEMP"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		fmt.Println(endless(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func killNames() []string {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("kernel/m%02d.ko%s", i, suffixes[i%4]))
	}
	return append(names, "kernel/link.ko")
}

// endless adds and removes a trailer until it is killed.
func endless(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		change := Change{Replace: true}
		if i%2 == 0 {
			change.Trailer = proof(1)
		}
		o := &Options{Workers: 2, Unsynced: true, noTemp: os.Getenv(killNoTemp) != ""}
		if _, err := Run(context.Background(), root, files(killNames()...), always(change), o); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// TestKill kills a process at any moment, and finds every file whole.
func TestKill(t *testing.T) {
	rounds := 12
	if s := os.Getenv(killRounds); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, noTemp := range []string{"", "1"} {
		tr := newTree(t)
		names := killNames()
		for _, name := range names[:12] {
			tr.put(name, payload("kill"))
		}
		if err := os.Link(tr.path(names[0]), tr.path(names[12])); err != nil {
			t.Fatal(err)
		}
		left, swapped := 0, 0
		for round := range rounds {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), killDir+"="+tr.dir, killNoTemp+"="+noTemp)
			var out bytes.Buffer
			cmd.Stdout = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10*time.Millisecond + time.Duration(round*7919%60_000)*time.Microsecond)
			cmd.Process.Kill()
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("%v: %s", err, out.String())
			}
			temps, err := filepath.Glob(tr.path("kernel/.*"))
			if err != nil {
				t.Fatal(err)
			}
			left += len(temps)
			with := 0
			for _, name := range names {
				switch got := tr.get(name); {
				case bytes.Equal(got, join(payload("kill"), proof(1))):
					with++
				case !bytes.Equal(got, payload("kill")):
					t.Fatalf("round %d: %s is neither the old nor the new file", round, name)
				}
			}
			if with > 0 && with < len(names) {
				swapped++
			}
			// The next process removes what this one left.
		}
		tr.run(always(Change{Replace: true}), nil, names...)
		if len(tr.list()) != len(names) {
			t.Errorf("files left: %q", tr.list())
		}
		t.Logf("%d rounds (no O_TMPFILE: %q): killed in the middle of a run %d times, %d temporary names", rounds, noTemp, swapped, left)
		if rounds > 100 && swapped == 0 {
			t.Error("never killed in the middle of a run")
		}
	}
}
