// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/verify"
)

func TestVerifyJUnit(t *testing.T) {
	r := &verify.Result{
		Manifest: &hashset.Manifest{Entries: []hashset.Entry{{Name: "kernel/fs/ext4/ext4.ko"}, {Name: "kernel/net/ipv4.x/a.ko"}, {Name: "kernel/b.ko"}}},
		Findings: []verify.Finding{
			{Kind: verify.Changed, Name: "kernel/b.ko", Detail: "is <another> & \"worse\""},
			{Kind: verify.Trailer, Name: "kernel/b.ko", Detail: "none"},
			{Kind: verify.Trailer, Name: "kernel/fs/ext4/ext4.ko", Accepted: true},
			{Kind: verify.Extra, Name: "kernel/\x1b]evil\xff.ko"},
			{Kind: verify.Root, Detail: "differs"},
		},
	}
	var b bytes.Buffer
	if err := VerifyJUnit(&b, r, "a\x00.modhash"); err != nil {
		t.Fatal(err)
	}
	var s junitSuite
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	if s.Tests != 5 || s.Failures != 3 || s.Skipped != 1 || len(s.Cases) != 5 || s.Name != `modhash verify a\x00.modhash` {
		t.Errorf("%+v", s)
	}
	for i, want := range []string{"kernel.fs.ext4/ext4.ko", "kernel.net.ipv4_x/a.ko", "kernel/b.ko", `build/extra kernel/\x1b]evil\xff.ko`, "build/root"} {
		if got := s.Cases[i].Class + "/" + s.Cases[i].Name; got != want {
			t.Errorf("case %d is %s, want %s", i, got, want)
		}
	}
	if c := s.Cases[2]; c.Failure == nil || c.Failure.Type != "changed" || strings.Count(c.Failure.Text, "\n") != 1 || !strings.Contains(c.Failure.Text, `<another> & "worse"`) {
		t.Errorf("%+v", c.Failure)
	}
	if s.Cases[0].Failure != nil || s.Cases[0].Skipped == nil || s.Cases[1].Failure != nil || s.Cases[1].Skipped != nil {
		t.Errorf("%+v", s.Cases[:2])
	}
}
