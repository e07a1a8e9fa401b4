// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/sample"
	"github.com/modhash/modhash/testdata/gen/schema"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
	"github.com/modhash/modhash/testdata/keys"
)

// scriptMutate is "mutate FILE HOW": it makes another module of a plain one.
//
//	flip        flip a bit of the payload
//	flipsig     flip a bit of the signature data
//	flipblock   make the 12-byte block malformed
//	unsign      cut the trailer off
//	resign      sign with key b in place of the old signature
//	stack       sign with key b on top
//	junk        append a byte
//	truncate    cut off the second half
//	empty       leave nothing
//	gz, xz, zst compress; the name gets the suffix
//	twice-gz, twice-xz, twice-zst   two members, streams or frames, with suffix
func scriptMutate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mutate file how")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data, suffix := mutate(ts, path, data, args[1])
	if suffix != "" {
		ts.Check(os.Remove(path))
	}
	ts.Check(os.WriteFile(path+suffix, data, 0o666))
}

func mutate(ts *testscript.TestScript, path string, data []byte, how string) ([]byte, string) {
	payload := sample.Payload(filepath.Base(path))
	// The payload of a sample module depends on its whole name.
	for _, m := range sample.Modules {
		if filepath.Base(m) == filepath.Base(path) {
			payload = sample.Payload(m)
		}
	}
	key, err := ko.ParseKey(keys.BKey, keys.BCert)
	ts.Check(err)
	twice, suffix := strings.CutPrefix(how, "twice-")
	switch how {
	case "flip":
		data[200] ^= 0x40
	case "flipsig":
		data[len(data)-100] ^= 1
	case "flipblock":
		data[len(data)-40] ^= 1
	case "unsign":
		return payload, ""
	case "resign":
		return key.Sign(payload), ""
	case "stack":
		return key.Sign(data), ""
	case "junk":
		return append(data, '\n'), ""
	case "truncate":
		return data[:len(data)/2], ""
	case "empty":
		return nil, ""
	case "gz", "xz", "zst":
		return ko.Compress(data, "."+how), "." + how
	default:
		if !suffix {
			ts.Fatalf("mutate: unknown %q", how)
		}
		one := ko.Compress(data, "."+twice)
		return append(one, one...), "." + twice
	}
	return data, ""
}

// scriptSchema is "schema SCHEMA FILE": the JSON of a file, or stdout, is as a JSON
// Schema says.
func scriptSchema(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: schema schema file")
	}
	err := schema.Check([]byte(ts.ReadFile(args[0])), []byte(ts.ReadFile(args[1])))
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", args[1], err)
	}
}

// scriptTarball is "tarball OUT DIR [EDIT]": a tar archive of a directory, names
// sorted, owners and times fixed. EDIT adds a hostile member: absolute, parent,
// device, duplicate, symlink.
func scriptTarball(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: tarball out dir [edit]")
	}
	root := os.DirFS(ts.MkAbs(args[1]))
	var names []string
	ts.Check(fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if p != "." {
			names = append(names, p)
		}
		return err
	}))
	slices.Sort(names)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var first []byte
	var firstName string
	for _, n := range names {
		st, err := fs.Stat(root, n)
		ts.Check(err)
		if st.IsDir() {
			ts.Check(w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./" + n + "/", Mode: 0o755}))
			continue
		}
		data, err := fs.ReadFile(root, n)
		ts.Check(err)
		if strings.HasSuffix(n, ".ko") && first == nil {
			first, firstName = data, n
		}
		writeTar(ts, w, &tar.Header{Typeflag: tar.TypeReg, Name: "./" + n, Mode: 0o644}, data)
	}
	for _, edit := range args[2:] {
		switch edit {
		case "absolute":
			writeTar(ts, w, &tar.Header{Typeflag: tar.TypeReg, Name: "/etc/evil", Mode: 0o644}, []byte("x"))
		case "parent":
			writeTar(ts, w, &tar.Header{Typeflag: tar.TypeReg, Name: "../../etc/evil", Mode: 0o644}, []byte("x"))
		case "device":
			ts.Check(w.WriteHeader(&tar.Header{Typeflag: tar.TypeChar, Name: "./dev/evil", Devmajor: 1, Devminor: 3}))
		case "duplicate":
			writeTar(ts, w, &tar.Header{Typeflag: tar.TypeReg, Name: "./" + firstName, Mode: 0o644}, first)
		case "symlink":
			ts.Check(w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/lib/modules/" + sample.Release + "/kernel/evil.ko", Linkname: "/etc/passwd"}))
		default:
			ts.Fatalf("tarball: unknown edit %q", edit)
		}
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o666))
}

func writeTar(ts *testscript.TestScript, w *tar.Writer, h *tar.Header, data []byte) {
	h.Size = int64(len(data))
	ts.Check(w.WriteHeader(h))
	_, err := w.Write(data)
	ts.Check(err)
}

// scriptKernel is "kernel OUT TRUSTED REVOKED [EDIT…]": a vmlinux with room for a
// Merkle root, and lists of certificates: PEM files joined with commas, or "-" for
// none. EDIT: stripped, of its symbols; stable, none is of the build's own key.
func scriptKernel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: kernel out trusted revoked [edit]...")
	}
	certs := func(arg string) (out [][]byte) {
		if arg == "-" {
			return nil
		}
		for f := range strings.SplitSeq(arg, ",") {
			block, _ := pem.Decode([]byte(ts.ReadFile(f)))
			out = append(out, block.Bytes)
		}
		return out
	}
	k := vmlinux.Kernel{Hashes: make([]byte, 36), Certs: certs(args[1]), Revoked: certs(args[2])}
	for _, edit := range args[3:] {
		switch edit {
		case "stripped":
			k.Stripped = true
		case "stable":
			k.NoModule = true
		default:
			ts.Fatalf("kernel: unknown edit %q", edit)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), k.ELF(), 0o666))
}
