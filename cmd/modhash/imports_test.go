// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/modhash/modhash/"

// level gives each room a height; a package may import lower ones only. Rooms
// of one height do not know each other.
var level = map[string]int{
	"modsig/trailer":           0,
	"modsig/certlist":          0,
	"hashset":                  1,
	"modsig":                   1,
	"kbuild/outfile":           1,
	"modsig/keys":              2,
	"hashset/attest":           2,
	"modsig/keys/genkey":       0,
	"modsig/keys/selfsigned":   3,
	"modsig/keys/store":        3,
	"kbuild/internal/pool":     2,
	"kbuild/internal/codec/xz": 2,
	"kbuild/internal/codec":    3,
	"kbuild/internal/elfview":  3,
	"kbuild/internal/btf":      3,
	"kbuild/internal/units":    4,
	"kbuild/internal/spool":    3,
	"kbuild/kmod":              4,
	"kbuild/image":             4,
	"kbuild/kconfig":           4,
	"kbuild/pkgfile":           4,
	"kbuild":                   5,
	"kbuild/rewrite":           5,
	"kbuild/compare":           6,
	"kbuild/explain":           7,
	"kbuild/verify":            6,
	"kbuild/prove":             6,
	"kbuild/sign":              6,
	"kbuild/load":              6,
	"kbuild/lint":              6,
	"kbuild/inspect":           6,
	"kbuild/report":            7,
	"kbuild/rebuilderd":        7,
	"cmd/modhash":              8,
	"cmd/modhash-pkcs11":       8,
}

// external says who may import what from outside of the standard library.
var external = map[string][]string{
	"github.com/klauspost/compress":                     {"kbuild/internal/codec"},
	"github.com/ulikunitz/xz":                           {"kbuild/internal/codec"},
	"github.com/pierrec/lz4/v4":                         {"kbuild/internal/codec"},
	"github.com/secure-systems-lab/go-securesystemslib": {"hashset/attest"},
	"github.com/spf13/cobra":                            {"cmd/"},
	"github.com/spf13/pflag":                            {"cmd/"},
	"golang.org/x/crypto/cryptobyte":                    {"modsig"},
	"golang.org/x/crypto/scrypt":                        {"modsig/keys"},
	"filippo.io/mldsa":                                  {"modsig"},
	"github.com/miekg/pkcs11":                           {"cmd/modhash-pkcs11"},
	"golang.org/x/term":                                 {"cmd/"},
	"golang.org/x/sync":                                 {"cmd/", "kbuild", "kbuild/compare"},
	"golang.org/x/sys":                                  {"cmd/", "kbuild"},
	"filippo.io/nistec":                                 {"modsig"},
}

// forbidden are packages of the standard library that no library package of
// this module imports: who logs, reads flags or talks to a network is the
// program. But for networked.
var forbidden = []string{"log", "log/slog", "flag", "net", "net/http", "testing", "os/exec", "os/signal"}

// networked are the rooms whose purpose is the network.
var networked = []string{"kbuild/rebuilderd"}

// TestImports holds the direction of the imports.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	rooms := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(fields[0], module)
		height, known := level[room]
		if !known {
			t.Errorf("package %s has no place in the table of this test", room)
			continue
		}
		rooms++
		for _, imp := range fields[1:] {
			checkImport(t, room, height, imp)
		}
	}
	if rooms != len(level) {
		t.Errorf("%d packages, the table has %d", rooms, len(level))
	}
}

func checkImport(t *testing.T, room string, height int, imp string) {
	if lower, ok := strings.CutPrefix(imp, module); ok {
		if h, known := level[lower]; !known || h >= height {
			t.Errorf("%s imports %s, which is not below it", room, lower)
		}
		return
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		for _, f := range forbidden {
			if imp == f && !strings.HasPrefix(room, "cmd/") && !(strings.HasPrefix(f, "net") && slices.Contains(networked, room)) {
				t.Errorf("%s imports %s", room, imp)
			}
		}
		return
	}
	for lib, who := range external {
		if imp != lib && !strings.HasPrefix(imp, lib+"/") {
			continue
		}
		for _, w := range who {
			if strings.HasPrefix(room, w) {
				return
			}
		}
	}
	t.Errorf("%s may not import %s", room, imp)
}
