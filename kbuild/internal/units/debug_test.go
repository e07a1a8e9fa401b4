// SPDX-License-Identifier: Apache-2.0

package units

import (
	"os"
	"testing"
)

// TestDebug: debug information is split by what begins with a length, types by type, and
// tables by function; what is compressed is not looked into.
func TestDebug(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"debug.ko":      {".debug_info": 1, ".debug_line": 1, ".debug_frame": 6, ".debug_abbrev": 1},
		"debug-zlib.ko": {".debug_info": 1, ".debug_line": 1, ".debug_frame": 1, ".debug_str": 1},
		"btf/base.ko":   {".BTF": 1 + 23 + 22},
		// Of three functions a unit for the start and one for the rest, and that of
		// the end, which is of the last one.
		"tables/base.ko": {".orc_unwind": 6, ".orc_unwind_ip": 6, "__kcrctab": 2},
	} {
		b, err := os.ReadFile("../../explain/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var f File
		if err := f.Split(b); err != nil {
			t.Fatal(err)
		}
		for i := range f.Blocks {
			if n, ok := want[f.Blocks[i].Name]; ok && f.Blocks[i].Kind == Section {
				if us := f.Units(nil, &f.Blocks[i]); len(us) != n {
					t.Errorf("%s, %s: %d units, want %d: %v", name, f.Blocks[i].Name, len(us), n, us)
				}
			}
		}
	}
}
