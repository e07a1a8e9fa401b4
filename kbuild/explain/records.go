// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/kconfig"
)

var (
	recordToolchain = compare.Cause{ID: "record.toolchain", Class: compare.Root, Title: "built by another toolchain",
		Mend: "the same versions of compiler, linker, assembler and pahole", Doc: docRepro}
	recordConfig = compare.Cause{ID: "record.config", Class: compare.Root, Title: "another configuration",
		Mend: "the same .config", Doc: docRepro}
	recordPath = compare.Cause{ID: "record.path", Class: compare.Root, Title: "built in another folder",
		Mend: "build in the same folder, or KCFLAGS=-ffile-prefix-map=OLD=NEW", Doc: docRepro}
	recordStamp = compare.Cause{ID: "record.timestamp", Class: compare.Root, Title: "built at another time, by another user or host, or as another number",
		Mend: "KBUILD_BUILD_TIMESTAMP, KBUILD_BUILD_USER, KBUILD_BUILD_HOST, KBUILD_BUILD_VERSION", Doc: docRepro}
	recordPackages = compare.Cause{ID: "record.packages", Class: compare.Root, Title: "built with other packages installed, or in another environment",
		Mend: "the same build environment", Doc: "the BUILDINFO format of the distribution"}
)

var recordCauses = []*compare.Cause{&recordToolchain, &recordConfig, &recordPath, &recordStamp, &recordPackages}

// maxRecord is the size in bytes above which a file is no record of a build.
const maxRecord = 16 << 20

// Records compares what two builds left on record about themselves and puts the
// differences into c. Records that only one side has are not compared; what cannot
// be read as what it should be is left out.
func Records(c *compare.Comparison, a, b *kbuild.Build) error {
	ra, err := recordsOf(a)
	if err != nil {
		return err
	}
	rb, err := recordsOf(b)
	if err != nil {
		return err
	}
	for _, from := range []string{"config", "banner", ".BUILDINFO", ".buildinfo", "rpm header"} {
		fa, fb := ra[from], rb[from]
		if fa == nil || fb == nil {
			continue
		}
		for _, k := range keysOf(fa, fb) {
			if fa[k] != fb[k] {
				c.Records = append(c.Records, compare.Record{Cause: recordCause(from, k), From: from, Field: k, A: fa[k], B: fb[k]})
			}
		}
	}
	slices.SortStableFunc(c.Records, func(x, y compare.Record) int {
		return cmp.Compare(slices.Index(recordCauses, x.Cause), slices.Index(recordCauses, y.Cause))
	})
	return nil
}

func keysOf(a, b map[string]string) []string {
	var ks []string
	for k := range a {
		ks = append(ks, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			ks = append(ks, k)
		}
	}
	slices.Sort(ks)
	return ks
}

// recordCause says what a field is about.
func recordCause(from, key string) *compare.Cause {
	switch {
	case from == "config":
		for _, p := range []string{"CC_VERSION", "GCC_VERSION", "CLANG_VERSION", "LD_VERSION", "LLD_VERSION", "AS_VERSION", "AS_IS_", "LD_IS_", "CC_IS_", "RUSTC_", "PAHOLE_", "BINDGEN_", "LLVM"} {
			if strings.HasPrefix(key, p) {
				return &recordToolchain
			}
		}
		return &recordConfig
	case from == "banner" && key == "release":
		return &release
	case from == "banner":
		return &recordStamp
	}
	k := strings.ToLower(key)
	switch {
	case strings.Contains(k, "dir") || strings.Contains(k, "path"):
		return &recordPath
	case strings.Contains(k, "date") || strings.Contains(k, "time") || strings.Contains(k, "host") || k == "packager":
		return &recordStamp
	}
	return &recordPackages
}

// recordsOf reads the records of one build.
func recordsOf(b *kbuild.Build) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	for _, s := range b.Sources() {
		for i := range s.Members() {
			m := &s.Members()[i]
			from, parse := recordKind(m, b.Release)
			if parse == nil || out[from] != nil || !m.Mode.IsRegular() || m.Size > maxRecord && from != "banner" {
				continue
			}
			text, err := readMember(s, i, from == "banner")
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", m.Name, err)
			}
			if fields := parse(text); fields != nil {
				out[from] = fields
			}
		}
	}
	return out, nil
}

func recordKind(m *kbuild.Member, release string) (from string, parse func([]byte) map[string]string) {
	dir, base := path.Split(m.Name)
	switch {
	case m.Area == "header" && m.Raw == "header":
		return "rpm header", rpmFields
	case m.Area != "":
		return "", nil
	case base == "config-"+release && strings.HasSuffix(dir, "boot/"), base == "config" && strings.HasSuffix(dir, "modules/"+release+"/"):
		return "config", configFields
	case base == "vmlinuz-"+release, base == "vmlinuz" && strings.HasSuffix(dir, "modules/"+release+"/"):
		return "banner", bannerFields
	case m.Name == ".BUILDINFO":
		return ".BUILDINFO", func(b []byte) map[string]string { return lineFields(b, "=") }
	case strings.HasSuffix(base, ".buildinfo"):
		return ".buildinfo", func(b []byte) map[string]string { return lineFields(b, ":") }
	}
	return "", nil
}

// readMember reads a file, or where the banner of an x86 kernel can be.
func readMember(s kbuild.Source, i int, head bool) ([]byte, error) {
	f, err := s.Open(i)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	n := f.Size()
	if head {
		n = min(n, 64<<10)
	}
	b := make([]byte, n)
	if got, err := f.ReadAt(b, 0); got < len(b) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return b, nil
}

func configFields(b []byte) map[string]string {
	f, err := kconfig.Parse(b)
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range f.All() {
		if v != kconfig.No { // not set is the same as not there
			out[k] = string(v)
		}
	}
	return out
}

// bannerFields reads the version of a bzImage: at 0x20e of the header is where,
// counted from 0x200 (Documentation/arch/x86/boot.rst).
func bannerFields(b []byte) map[string]string {
	if len(b) < 0x210 || string(b[0x202:0x206]) != "HdrS" {
		return nil
	}
	at := int(binary.LittleEndian.Uint16(b[0x20e:])) + 0x200
	if at >= len(b) {
		return nil
	}
	text, _, ok := bytes.Cut(b[at:], []byte{0})
	if !ok || len(text) > 1024 {
		return nil
	}
	rel, rest, _ := strings.Cut(string(text), " ")
	return map[string]string{"release": rel, "build": rest}
}

// lineFields reads "key = value" of pacman's .BUILDINFO, where keys come again,
// and "Key: value" of Debian's .buildinfo, where lines that begin with a blank
// continue a value.
func lineFields(b []byte, sep string) map[string]string {
	out := map[string]string{}
	key := ""
	for line := range bytes.Lines(b) {
		s := strings.TrimRight(string(line), "\r\n")
		k, v, ok := strings.Cut(s, sep)
		switch {
		case strings.HasPrefix(s, "-----"), strings.HasPrefix(s, "#"):
			continue
		case strings.HasPrefix(s, " ") && key != "":
			v = s
		case ok:
			key = strings.TrimSpace(k)
		default:
			continue
		}
		if v = strings.TrimSpace(v); out[key] != "" {
			v = out[key] + " " + v
		}
		out[key] = v
	}
	return out
}

// rpmTags are the ones that tell how a package was built.
var rpmTags = map[uint32]string{
	1001: "version", 1002: "release", 1006: "buildtime", 1007: "buildhost", 1015: "packager", 1044: "sourcerpm", 1064: "rpmversion",
	1094: "cookie", 1122: "optflags", 1132: "platform",
}

// rpmFields reads numbers and strings of an rpm header: magic of 8 bytes, number
// of entries and size of the data, entries of {tag, type, offset, count}, data;
// all big endian.
func rpmFields(b []byte) map[string]string {
	if len(b) < 16 || !bytes.HasPrefix(b, []byte{0x8e, 0xad, 0xe8, 1}) {
		return nil
	}
	n := uint64(binary.BigEndian.Uint32(b[8:]))
	if n*16 > uint64(len(b)-16) {
		return nil
	}
	data := b[16+n*16:]
	out := map[string]string{}
	for i := range n {
		e := b[16+i*16:]
		name := rpmTags[binary.BigEndian.Uint32(e)]
		at := uint64(binary.BigEndian.Uint32(e[8:]))
		if name == "" || at >= uint64(len(data)) {
			continue
		}
		switch binary.BigEndian.Uint32(e[4:]) {
		case 4: // a number of 32 bits
			if at+4 <= uint64(len(data)) {
				out[name] = fmt.Sprint(binary.BigEndian.Uint32(data[at:]))
			}
		case 6: // a string
			s, _, _ := bytes.Cut(data[at:], []byte{0})
			out[name] = string(s)
		}
	}
	return out
}
