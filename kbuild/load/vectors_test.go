// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
)

const vectors = "../../testdata/vectors/"

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// table reads a table of recorded answers; the first line names the columns.
func table(t testing.TB, name string) []map[string]string {
	t.Helper()
	var out []map[string]string
	lines := strings.Split(strings.TrimSpace(string(vector(t, name))), "\n")
	header := strings.Split(lines[0], "\t")
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[header[i]] = cell
		}
		out = append(out, row)
	}
	return out
}

// small is the kernel of vectors/hashes.
func small(t testing.TB, kind, root string) *Kernel {
	t.Helper()
	k := &Kernel{
		Rules: Hashes, Modules: Yes, Enforced: No, Lockdown: Yes, ForceLoad: Yes, Versions: No, Livepatch: No, AnySpace: No,
		Decompress: Yes, Decompressor: kmod.XZ,
		Arch: "x86_64", Bits: 64, Struct: 1024, Revokes: No, Release: "7.2.13", Vermagic: "7.2.13 preempt mod_unload ",
		Signatures: factOf(strings.HasPrefix(kind, "sig") || kind == "plain"), Hashes: factOf(strings.HasSuffix(kind, "hashes")),
	}
	switch kind {
	case "plain":
		k.Rules = Mainline
	case "none":
		k.Lockdown = No
	}
	if k.Hashes == Yes {
		raw := vector(t, "hashes/roots/"+root+".bin")
		r := hashset.Root{Levels: uint32(raw[0]) | uint32(raw[1])<<8 | uint32(raw[2])<<16 | uint32(raw[3])<<24, Hash: hashset.Digest(raw[4:])}
		k.Hashset = &hashset.Section{Scheme: hashset.Merkle, Root: r}
	}
	ring := modsig.NewKeyring(modsig.Kernel{Major: 7, Minor: 2, Has: func(a string) bool {
		return a == "rsa" || strings.HasPrefix(a, "ecdsa") || strings.HasPrefix(a, "sha")
	}})
	for _, name := range []string{"signing/rsa2048.der", "signing/ecp384.der", "hashes/revoked.der"} {
		if _, err := ring.Add(vector(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ring.Revoke(vector(t, "hashes/revoked.der")); err != nil {
		t.Fatal(err)
	}
	k.Keyrings = []*modsig.Keyring{ring}
	return k
}

func check(t testing.TB, k *Kernel, file []byte, req Request, modes ...Mode) *Result {
	t.Helper()
	c := NewChecker(k, Options{Modes: modes, TempDir: t.TempDir()})
	defer c.Close()
	r, err := c.Check(bytes.NewReader(file), int64(len(file)), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func errnoText(e Errno) string {
	if e == success {
		return "0"
	}
	return string(e)
}

var columns = map[string]Mode{"permissive": Permissive, "sig_enforce": Enforcing, "lockdown": Lockdown}

// TestHashesRuns predicts what kernels with version 5 of the series answered.
func TestHashesRuns(t *testing.T) {
	compared := 0
	for _, row := range table(t, "hashes/kernel-results.tsv") {
		file := vector(t, "hashes/cases/"+row["file"])
		flags, err := strconv.Atoi(row["flags"])
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"sig+hashes", "hashes", "sig", "none", "plain"} {
			if row[kind+".permissive"] == "-" {
				continue
			}
			req := Request{Call(row["call"]), Flags(flags)}
			r := check(t, small(t, kind, row["root"]), file, req, Modes()...)
			run := strings.Join([]string{kind, row["root"], row["file"], row["flags"], row["call"]}, " ")
			compared += compareRun(t, run, kind, row, r)
		}
	}
	if compared < 1500 {
		t.Errorf("only %d answers compared", compared)
	}
}

// compareRun compares a prediction with the recorded answers and returns how many
// cells it compared. Every run is predicted: an unknown answer is an error.
func compareRun(t *testing.T, run, kind string, row map[string]string, r *Result) int {
	t.Helper()
	if r.Unknown() {
		t.Errorf("%s: not predicted: %+v", run, r.Steps)
		return 0
	}
	n := 0
	equal := func(what, got, want string) {
		t.Helper()
		if want == "-" || want == "" {
			return
		}
		if n++; got != want {
			t.Errorf("%s: %s is %s, the kernel answered %s\n%+v", run, what, got, want, r.Steps)
		}
	}
	for column, mode := range columns {
		i := slices.IndexFunc(r.Answers, func(a Answer) bool { return a.Mode == mode })
		a := r.Answers[i]
		equal(column, errnoText(a.Errno), row[kind+"."+column])
		if column != "permissive" {
			continue
		}
		taint := a.Taint
		switch {
		case a.Loads != Yes:
			taint = "-"
		case taint == "":
			taint = "none"
		}
		equal("taint", taint, row[kind+".taint"])
		if want := row["sig+hashes.kernel_taint"]; kind == "sig+hashes" && a.Loads == Yes {
			bits := 0
			if strings.Contains(taint, "E") {
				bits |= 1 << 13
			}
			if strings.Contains(taint, "F") {
				bits |= 1 << 1
			}
			equal("taint of the kernel", strconv.Itoa(bits), want)
		}
	}
	// The kernels answered with both as with enforcing.
	if row[kind+".sig_enforce"] != "-" && r.Answers[3].Errno != r.Answers[1].Errno {
		t.Errorf("%s: both modes: %s", run, r.Answers[3].Errno)
	}
	internal := "-"
	if len(r.Internal) == 1 {
		internal = errnoText(r.Internal[0])
	}
	if want := row[kind+".internal"]; want != "-" {
		equal("the internal result", internal, want)
		if yes := factOf(want == "0"); r.Authenticated != yes {
			t.Errorf("%s: authenticated: %v", run, r.Authenticated)
		}
	}
	return n
}

// debian is one of the kernels of vectors/signing.
func debian(t testing.TB, minor int) *Kernel {
	t.Helper()
	kind := modsig.Kernel{Major: 6, Minor: 12}
	if minor == 2 {
		kind = modsig.Kernel{Major: 7, Minor: 2}
	}
	kind.Has = func(a string) bool {
		return a == "rsa" || strings.HasPrefix(a, "ecdsa-") || strings.HasPrefix(a, "sha") && (minor == 12 || !strings.HasPrefix(a, "sha3-"))
	}
	ring := modsig.NewKeyring(kind)
	for _, name := range []string{"rsa2048", "ecp384", "mldsa44", "mldsa65", "mldsa87"} {
		if _, err := ring.Add(vector(t, "signing/"+name+".der")); err != nil && !strings.HasPrefix(name, "mldsa") {
			t.Fatal(err)
		}
	}
	return &Kernel{Rules: Mainline, Signatures: Yes, Hashes: No, Lockdown: Yes, Enforced: No, Versions: Yes, ForceLoad: No, Revokes: No,
		Arch: "x86_64", Bits: 64, Keyrings: []*modsig.Keyring{ring}}
}

// TestSigningRuns predicts what two kernels of a distribution answered.
func TestSigningRuns(t *testing.T) {
	compared := 0
	kernels := map[string]*Kernel{"6.12": debian(t, 12), "7.2": debian(t, 2)}
	modes := map[string]Mode{"perm": Permissive, "enf": Enforcing, "lock": Lockdown}
	for _, row := range table(t, "signing/kernel-results.tsv") {
		file := vector(t, "signing/"+row["file"])
		for name, k := range kernels {
			r := check(t, k, file, Request{Call: FinitModule})
			for short, mode := range modes {
				want := row[name+"."+short]
				if want == "-" {
					continue
				}
				i := slices.IndexFunc(r.Answers, func(a Answer) bool { return a.Mode == mode })
				got := r.Answers[i]
				if compared++; errnoText(got.Errno) != want {
					t.Errorf("%s, %s, %s: %s, the kernel answered %s\n%+v", row["file"], name, mode, got.Errno, want, r.Steps)
				}
			}
		}
	}
	if compared < 400 {
		t.Errorf("only %d answers compared", compared)
	}
}
