// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"errors"
	"strings"
	"testing"
)

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"*", "kernel/fs/ext4/ext4.ko", true},
		{"kernel/fs/*", "kernel/fs/ext4/ext4.ko", true},
		{"kernel/fs/*", "kernel/net/x.ko", false},
		{"*/ext4.ko", "kernel/fs/ext4/ext4.ko", true},
		{"*/ext4.ko", "kernel/fs/ext4/ext4.ko.x", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "ac", false},
		{"aba*aba", "aba", false},
		{"aba*aba", "abaaba", true},
		{"exact", "exact", true},
		{"exact", "exactly", false},
	} {
		if got := fits(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.name, got)
		}
	}
}

func TestReadExpectations(t *testing.T) {
	for in, line := range map[string]int{
		"":                                     1,
		"# something else\n":                   1,
		expectHeader + "2\n":                   1,
		expectHeader + "\nx":                   2,
		expectHeader + "\n\nsignature.key *\n": 3,
		expectHeader + "\nsignature.keys * reason\n":           2,
		expectHeader + "\nunexplained * reason\n":              2,
		expectHeader + "\nsignature.key * a \x1b[2J reason\n":  2,
		expectHeader + "\nsignature.key * one\nfile nothing\n": 3,
	} {
		_, err := ReadExpectations(strings.NewReader(in))
		if e := (*ExpectError)(nil); !errors.As(err, &e) || e.Line != line {
			t.Errorf("%q: %v, want an error in line %d", in, err, line)
		}
	}
	if _, err := ReadExpectations(strings.NewReader(strings.Repeat("#", MaxExpectations+1))); err == nil {
		t.Error("a file above the limit is read")
	}
	e, err := ReadExpectations(strings.NewReader(expectHeader + "\n# c\n\nfile  boot/*   because\tof it"))
	if err != nil || len(e.rules) != 1 || e.rules[0].Reason != "because of it" {
		t.Errorf("%v, %v", e, err)
	}
}
