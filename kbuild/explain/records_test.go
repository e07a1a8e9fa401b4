// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
)

// bzImage makes the start of an x86 kernel with a version.
func bzImage(version string) []byte {
	b := make([]byte, 0x1000)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400)
	copy(b[0x600:], version)
	return b
}

// rpmHeader makes the header of a package with a few tags.
func rpmHeader(host string, at uint32) []byte {
	be := binary.BigEndian
	b := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	b = be.AppendUint32(b, 3)
	b = be.AppendUint32(b, uint32(4+len(host)+1))
	for _, e := range [][4]uint32{{1006, 4, 0, 1}, {1007, 6, 4, 1}, {1064, 6, 9999, 1}} { // the last one leaves the data
		for _, v := range e {
			b = be.AppendUint32(b, v)
		}
	}
	b = be.AppendUint32(b, at)
	return append(append(b, host...), 0)
}

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want map[string]string
	}{
		{"banner", bannerFields(bzImage("6.1.0 (me@host) #3 SMP")), map[string]string{"release": "6.1.0", "build": "(me@host) #3 SMP"}},
		{"no kernel", bannerFields(make([]byte, 0x1000)), nil},
		{"short kernel", bannerFields(bzImage("x")[:0x400]), nil},
		{"rpm", rpmFields(rpmHeader("builder", 77)), map[string]string{"buildtime": "77", "buildhost": "builder"}},
		{"short rpm", rpmFields(rpmHeader("builder", 77)[:40]), nil},
		{"config", configFields([]byte("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n")), map[string]string{"A": "y", "C": `"x"`}},
		{"BUILDINFO", lineFields([]byte("builddir = /build\ninstalled = a-1\ninstalled = b-2\n"), "="), map[string]string{"builddir": "/build", "installed": "a-1 b-2"}},
		{"buildinfo", lineFields([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nBuild-Path: /b\nEnvironment:\n A=1\n B=2\n"), ":"),
			map[string]string{"Build-Path": "/b", "Environment": "A=1 B=2"}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestRecords: of two builds, what differs in their records is said with its
// cause, and what both say alike is not.
func TestRecords(t *testing.T) {
	build := func(config, banner string) *kbuild.Build {
		dir := t.TempDir()
		for name, text := range map[string]string{"boot/config-6.1.0": config, "boot/vmlinuz-6.1.0": string(bzImage(banner)), "lib/modules/6.1.0/modules.order": "", "x.buildinfo": "Build-Path: /same\n"} {
			p := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := kbuild.Open(context.Background(), []string{dir}, &kbuild.Options{AllFiles: true, NoImage: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() }) // read only
		return b
	}
	a := build("CONFIG_CC_VERSION_TEXT=\"gcc 1\"\nCONFIG_X=y\nCONFIG_SAME=y\n", "6.1.0 #1")
	b := build("CONFIG_CC_VERSION_TEXT=\"gcc 2\"\n# CONFIG_X is not set\nCONFIG_SAME=y\n", "6.1.0 #2")
	c := &compare.Comparison{}
	if err := Records(c, a, b); err != nil {
		t.Fatal(err)
	}
	want := []compare.Record{
		{Cause: &recordToolchain, From: "config", Field: "CC_VERSION_TEXT", A: `"gcc 1"`, B: `"gcc 2"`},
		{Cause: &recordConfig, From: "config", Field: "X", A: "y"},
		{Cause: &recordStamp, From: "banner", Field: "build", A: "#1", B: "#2"},
	}
	if diff := cmp.Diff(want, c.Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
