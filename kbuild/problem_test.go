// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestProblems puts one thing after the other wrong with an installed build. A
// row lists all that must be told of it.
func TestProblems(t *testing.T) {
	const ext4 = "kernel/fs/ext4/ext4.ko"
	const at = modulesDir + ext4
	good := installed(modulesDir, "", nil)
	key := testKey(t, 'a')
	signed := key.Sign(payload(ext4))
	xz := string(ko.Compress(payload(ext4), ".xz"))
	add := func(more ...file) []file { return append(slices.Clone(good), more...) }
	order := func(lines ...string) []file {
		return with(good, "modules.order", strings.Join(lines, "\n")+"\n")
	}
	module := func(m ko.Module) string { return string(m.Bytes()) }
	const both, dirOnly, tarOnly = 0, 1, 2
	tests := []struct {
		name  string
		files []file
		where int
		want  string
	}{
		{"nothing", good, both, ""},
		{"missing", without(good, "ext4.ko"), both, "missing " + ext4},
		{"unlisted", order(names[1:]...), both, "unlisted " + ext4},
		{"listed twice", order(append(names, names[0], names[2])...), both, "listed-twice " + ext4 + "\nlisted-twice kernel/lib/crc_itu_t.ko"},
		{"listed twice and missing", without(order(append(names, ext4)...), "ext4.ko"), both, "missing " + ext4 + "\nlisted-twice " + ext4},
		{"present twice", add(file{name: at + ".xz", data: xz}), both, "present-twice " + ext4},
		{"present twice, unlisted", add(
			file{name: modulesDir + "kernel/a.ko.xz", data: string(ko.Compress(payload("a.ko"), ".xz"))},
			file{name: modulesDir + "kernel/a.ko", data: string(payload("a.ko"))},
		), both, "unlisted kernel/a.ko\npresent-twice kernel/a.ko"},

		{"out of tree", add(
			file{name: modulesDir + "extra/one.ko", data: string(payload("one.ko"))},
			file{name: modulesDir + "updates/dkms/two.ko", data: string(payload("two.ko"))},
			file{name: modulesDir + "weak-updates/three.ko", data: string(payload("three.ko"))},
			file{name: modulesDir + "extramodules/four.ko.xz", data: string(ko.Compress(payload("four.ko"), ".xz"))},
			file{name: modulesDir + "five.ko", data: string(payload("five.ko"))},
		), both, "(out-of-tree extra/one.ko)\n(out-of-tree extramodules/four.ko)\n(out-of-tree five.ko)\n(out-of-tree updates/dkms/two.ko)\n(out-of-tree weak-updates/three.ko)"},
		{"shadow", add(file{name: modulesDir + "updates/ext4.ko", data: string(payload("ext4.ko"))}), both,
			"shadow updates/ext4.ko\n(out-of-tree updates/ext4.ko)"},
		{"shadow, - for _", add(file{name: modulesDir + "extra/kvm_intel.ko.gz", data: string(ko.Compress(payload("kvm_intel.ko"), ".gz"))}), both,
			"shadow extra/kvm_intel.ko\n(out-of-tree extra/kvm_intel.ko)"},
		{"shadow, _ for -", add(file{name: modulesDir + "updates/dkms/crc-itu-t.ko", data: string(payload("crc-itu-t.ko"))}), both,
			"shadow updates/dkms/crc-itu-t.ko\n(out-of-tree updates/dkms/crc-itu-t.ko)"},
		{"shadow of a missing one", append(without(good, "ext4.ko"), file{name: modulesDir + "updates/ext4.ko", data: string(payload("ext4.ko"))}), both,
			"missing " + ext4 + "\nshadow updates/ext4.ko\n(out-of-tree updates/ext4.ko)"},

		{"link", append(without(good, "ext4.ko"), file{name: at, link: "../../lib/crc_itu_t.ko"}), both, "missing " + ext4 + "\nnot-regular " + ext4},
		{"link to itself", append(without(good, "ext4.ko"), file{name: at, link: "ext4.ko"}), both, "missing " + ext4 + "\nnot-regular " + ext4},
		{"link beside the module", add(file{name: at + ".xz", link: "ext4.ko"}), both, "not-regular " + ext4},
		{"unlisted link", add(file{name: modulesDir + "kernel/a.ko", link: "fs/ext4/ext4.ko"}), both, "not-regular kernel/a.ko"},
		{"link that leads out", append(without(good, "ext4.ko"), file{name: at, link: "/etc/passwd"}), both, "missing " + ext4 + "\nnot-regular " + ext4},
		{"link to a folder", append(without(good, "ext4.ko"), file{name: at, link: ".."}), both, "missing " + ext4 + "\nnot-regular " + ext4},
		{"folder", append(without(good, "ext4.ko"), file{name: at, typ: tar.TypeDir}), both, "missing " + ext4 + "\nnot-regular " + ext4},
		{"named pipe", append(without(good, "ext4.ko"), file{name: at, typ: tar.TypeFifo}), tarOnly,
			"missing " + ext4 + "\nnot-regular " + ext4 + "\nspecial-file " + at},
		{"device", append(without(good, "ext4.ko"), file{name: at, typ: tar.TypeChar}), tarOnly,
			"missing " + ext4 + "\nnot-regular " + ext4 + "\nspecial-file " + at},
		{"hard link to nothing", append(without(good, "ext4.ko"), file{name: at, link: "nothing", typ: tar.TypeLink}), tarOnly,
			"corrupt " + ext4 + "\nbad-link " + at},
		{"hard link to a link", append(without(good, "ext4.ko"), file{name: "link", link: "/etc/passwd"}, file{name: at, link: "link", typ: tar.TypeLink}), tarOnly,
			"missing " + ext4 + "\nnot-regular " + ext4},

		{"plain called .xz", append(without(good, "ext4.ko"), file{name: at + ".xz", data: string(payload(ext4))}), both, "mislabelled " + ext4},
		{"xz called .ko", with(good, "ext4.ko", xz), both, "mislabelled " + ext4},
		{"xz called .gz", append(without(good, "ext4.ko"), file{name: at + ".gz", data: xz}), both, "mislabelled " + ext4},
		{"zstd called .zstd", append(without(good, "ext4.ko"), file{name: at + ".zstd", data: string(ko.Compress(payload(ext4), ".zst"))}), both, "mislabelled " + ext4},
		{"plain called .bz2", append(without(good, "ext4.ko"), file{name: at + ".bz2", data: string(payload(ext4))}), both, "mislabelled " + ext4},

		{"empty file", with(good, "ext4.ko", ""), both, "corrupt " + ext4},
		{"text", with(good, "ext4.ko", "version https://git-lfs"), both, "corrupt " + ext4},
		{"bzip2", append(without(good, "ext4.ko"), file{name: at + ".bz2", data: "BZh91AY&SY and so on"}), both, "corrupt " + ext4},
		{"cut", with(good, "ext4.ko", string(payload(ext4)[:1000])), both, "corrupt " + ext4},
		{"cut xz", append(without(good, "ext4.ko"), file{name: at + ".xz", data: xz[:len(xz)-5]}), both, "corrupt " + ext4},
		{"two xz streams", append(without(good, "ext4.ko"), file{name: at + ".xz", data: xz + xz}), both, "corrupt " + ext4},
		{"no vermagic", with(good, "ext4.ko", module(ko.Module{Name: "ext4", NoMagic: true})), both, "corrupt " + ext4},
		{"corrupt and out of tree", add(file{name: modulesDir + "extra/a.ko"}), both, "corrupt extra/a.ko\n(out-of-tree extra/a.ko)"},

		{"marker without a trailer", with(good, "ext4.ko", string(payload(ext4))+"no signature block"+trailer.Marker), both, "malformed-trailer " + ext4},
		{"two trailers", with(good, "ext4.ko", string(key.Sign(signed))), both, "stacked-trailer " + ext4},
		{"two trailers, two compressions too many", append(without(good, "ext4.ko"),
			file{name: at + ".xz", data: string(ko.Compress(key.Sign(signed), ".gz"))}), both, "stacked-trailer " + ext4 + "\nmislabelled " + ext4},
		{"byte behind the marker", with(good, "ext4.ko", string(signed)+"\n"), both, "junk-trailer " + ext4},

		{"other release", with(good, "kvm.ko", module(ko.Module{Name: "kvm", Release: "6.12.1-test"})), both, "other-release kernel/arch/x86/kvm/kvm.ko"},
		{"other release, the first one", with(good, "ext4.ko", module(ko.Module{Name: "ext4", Release: "6.12.1-test"})), both,
			"other-release kernel/arch/x86/kvm/kvm-intel.ko\nother-release kernel/arch/x86/kvm/kvm.ko\nother-release kernel/drivers/net/dummy.ko\n" +
				"other-release " + ext4 + "\nother-release kernel/lib/crc_itu_t.ko"},
		{"other release out of tree", add(file{name: modulesDir + "extra/a.ko", data: module(ko.Module{Name: "a", Release: "5.0"})}), both, "(out-of-tree extra/a.ko)"},
		{"other machine", with(good, "kvm.ko", module(ko.Module{Name: "kvm", Release: release, Machine: 40, Bits: 32})), both, "other-arch kernel/arch/x86/kvm/kvm.ko"},
		{"other byte order", with(good, "kvm.ko", module(ko.Module{Name: "kvm", Release: release, Big: true})), both, "other-arch kernel/arch/x86/kvm/kvm.ko"},

		{"no order", without(good, "modules.order"), both, "no-order"},
		{"no order, out of tree", append(without(good, "modules.order"), file{name: modulesDir + "updates/ext4.ko", data: string(payload(ext4))}), both,
			"no-order\nshadow updates/ext4.ko\n(out-of-tree updates/ext4.ko)"},
		{"loose modules", []file{{name: "a.ko", data: string(payload("a.ko"))}, {name: "sub/b.ko.xz", data: xz}}, both, "no-order\n(out-of-tree a.ko)\n(out-of-tree sub/b.ko)"},
		{"order is a link", append(without(good, "modules.order"), file{name: modulesDir + "modules.order", link: "modules.builtin"}), both, "no-order\nnot-regular modules.order"},
		{"bad image", add(file{name: "boot/vmlinuz-" + release, data: string(bootImage[:100])}), both, "bad-image"},

		{"duplicate", add(find(good, "ext4.ko")), tarOnly, "present-twice " + ext4 + "\nduplicate-name " + at},
		{"absolute", append(without(good, "ext4.ko"), file{name: "/" + at, data: string(payload(ext4))}), tarOnly, "absolute-name " + at},
		{"parent", append(without(good, "ext4.ko"), file{name: "lib/../" + at, data: string(payload(ext4))}), tarOnly, "parent-name " + at},
		{"leads out", add(file{name: "../" + at, data: string(payload(ext4))}), tarOnly, "parent-name ../" + at},
		{"device elsewhere", add(file{name: "dev/null", typ: tar.TypeChar}), tarOnly, "special-file dev/null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.where != tarOnly {
				if got := told(summarize(t, nil, writeDir(t, tt.files)).Problems); got != tt.want {
					t.Errorf("directory:\n%s\nwant:\n%s", got, tt.want)
				}
			}
			if tt.where != dirOnly {
				if got := told(summarize(t, nil, writeTar(t, "a.tar", tt.files)).Problems); got != tt.want {
					t.Errorf("tar:\n%s\nwant:\n%s", got, tt.want)
				}
			}
		})
	}
}

// TestDetails: what is told for people names file, place and cause.
func TestDetails(t *testing.T) {
	xz := string(ko.Compress(payload("a.ko"), ".xz"))
	files := without(installed(modulesDir, ".xz", nil), "ext4.ko.xz")
	files = append(files, file{name: modulesDir + names[0] + ".xz", data: xz + xz},
		file{name: modulesDir + "updates/kvm_intel.ko", data: string(payload("kvm_intel.ko"))})
	files = with(files, "modules.order", strings.Join(append(names, "kernel/gone.ko"), "\n")+"\n")
	dir := writeDir(t, files)
	all := summarize(t, nil, dir).Problems
	var got []string
	for _, p := range all {
		got = append(got, p.String())
	}
	list := strings.ReplaceAll(strings.Join(got, "\n"), dir, "DIR")
	want := "missing: kernel/gone.ko: line 6 of modules.order\n" +
		"corrupt: kernel/fs/ext4/ext4.ko: DIR/" + modulesDir + "kernel/fs/ext4/ext4.ko.xz: xz: second stream at offset "
	rest := "\nshadow: updates/kvm_intel.ko: modprobe can load it in place of kernel/arch/x86/kvm/kvm-intel.ko\nout-of-tree: updates/kvm_intel.ko"
	if !strings.HasPrefix(list, want) || !strings.HasSuffix(list, rest) {
		t.Errorf("%s\nwant:\n%s…%s", list, want, rest)
	}
}

// TestPresentTwice: of two files of one name the last counts, as it does for who
// unpacks the archive; of two compressions the one with the shorter suffix.
func TestPresentTwice(t *testing.T) {
	first, last := ko.Module{Name: "first", Release: release}, ko.Module{Name: "last", Release: release}
	name := modulesDir + names[0]
	files := func(a, b string) []file {
		return []file{
			{name: name + a, data: string(ko.Compress(first.Bytes(), a))}, {name: name + b, data: string(ko.Compress(last.Bytes(), b))},
			{name: modulesDir + "modules.order", data: names[0]},
		}
	}
	for _, tt := range []struct {
		a, b string
		want ko.Module
	}{{"", "", last}, {".xz", ".xz", last}, {"", ".xz", first}, {".xz", "", last}, {".gz", ".zst", first}, {".zst", ".gz", last}} {
		s := summarize(t, nil, writeTar(t, "a.tar", files(tt.a, tt.b)))
		if s.Sums[0].Payload != sha256.Sum256(tt.want.Bytes()) {
			t.Errorf("%q, then %q: %s is looked at", tt.a, tt.b, s.Sums[0].File.Path())
		}
	}
}

// TestProblemsDoNotDependOnOrder: the members of an archive may come in any
// order.
func TestProblemsDoNotDependOnOrder(t *testing.T) {
	files := installed(modulesDir, "", nil)
	for _, n := range names[:3] {
		for _, suffix := range []string{".gz", ".xz", ".zst"} {
			files = append(files, file{name: modulesDir + n + suffix, data: string(ko.Compress(payload(n), suffix))})
		}
	}
	files = append(files,
		file{name: "usr/" + modulesDir + names[4], data: string(testKey(t, 'a').Sign(payload(names[4])))},
		file{name: modulesDir + "kernel/unlisted.ko", data: string(payload("unlisted.ko"))},
		file{name: modulesDir + "kernel/unlisted.ko.gz", data: "corrupt"},
		file{name: modulesDir + "extra/dummy.ko", data: string(payload("dummy.ko"))},
		file{name: modulesDir + "extra/dummy.ko.xz", link: "dummy.ko"},
	)
	var want []Problem
	var wantFiles string
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10 {
		dir := t.TempDir()
		t.Chdir(dir)
		path := writeTar(t, "a.tar", files)
		b := openBuild(t, nil, path)
		s, err := b.Summarize(t.Context(), "merkle/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		var looked bytes.Buffer
		for _, m := range s.Sums {
			looked.WriteString(m.Name + " " + m.File.Member().Name + " " + m.Payload.String() + "\n")
		}
		got := slices.Clone(s.Problems)
		for i := range got {
			got[i].Detail = strings.ReplaceAll(got[i].Detail, path, "a.tar")
		}
		if i == 0 {
			want, wantFiles = got, looked.String()
		} else if !slices.Equal(got, want) || looked.String() != wantFiles {
			t.Fatalf("round %d: %v\n%s\nwant:\n%v\n%s", i, got, looked.String(), want, wantFiles)
		}
		r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	}
	if !strings.Contains(told(want), "present-twice") {
		t.Errorf("nothing is there twice: %s", told(want))
	}
}

func TestCompareProblems(t *testing.T) {
	sorted := []Problem{
		{Kind: NoOrder}, {Kind: Missing, Name: "a"}, {Kind: Missing, Name: "a", Detail: "x"}, {Kind: Missing, Name: "b"},
		{Kind: Corrupt, Name: "a"}, {Kind: OutOfTree, Name: "a"},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := compareProblems(a, b); cmp.Compare(got, 0) != cmp.Compare(i, j) {
				t.Errorf("%v and %v: %d", a, b, got)
			}
		}
	}
	for _, k := range []ProblemKind{Missing, Unlisted, ListedTwice, PresentTwice, OutOfTree, Shadow, NotRegular, Mislabelled, Corrupt,
		MalformedTrailer, StackedTrailer, JunkTrailer, OtherRelease, OtherArch, NoOrder, BadName, BadImage} {
		if _, ok := kindRank[k]; !ok {
			t.Errorf("%s has no place in the order", k)
		}
	}
}

// TestKinds: each kind is there once, is explained, and comes with advice where
// there is some.
func TestKinds(t *testing.T) {
	if len(kindRank) != len(kinds) || len(Kinds()) != len(kinds) {
		t.Errorf("%d kinds, %d of them different", len(kinds), len(kindRank))
	}
	for _, k := range PackageKinds() {
		if _, ok := kindRank[k]; !ok {
			t.Errorf("%s has no place in the order", k)
		}
	}
	for _, k := range Kinds() {
		if k.Meaning() == "" || (k.Hint() == "") != (k == "unsupported") {
			t.Errorf("%s: %q, hint %q", k, k.Meaning(), k.Hint())
		}
	}
	if k := ProblemKind("other"); k.Meaning() != "" || k.Hint() != "" {
		t.Error("an unknown kind is explained")
	}
}

func TestList(t *testing.T) {
	if got := list(nil); got != "none" {
		t.Error(got)
	}
	if got := list([]string{"a", "b"}); got != "a, b" {
		t.Error(got)
	}
	if got := list(slices.Repeat([]string{"a"}, 25)); !strings.HasSuffix(got, "a, a and 5 more") || strings.Count(got, "a,") != 19 {
		t.Error(got)
	}
}
