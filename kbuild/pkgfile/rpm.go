// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// An rpm, as in the rpm project's docs/manual/format_v4.md and format_v6.md: a
// lead of 96 bytes of which only magic and signature type still mean something,
// the signature header, padded to a multiple of 8, the header, and the payload
// up to the end of the file.
const (
	rpmLeadLen = 96
	// rpmSigType is the only signature type there ever was since rpm 3: a
	// header. Big endian at byte 78 of the lead.
	rpmSigType    = 5
	rpmSigTypeOff = 78
)

// Tags of the signature header.
const (
	sigSHA1   = 269  // hex, over the header
	sigSHA256 = 273  // hex, over the header
	sigMD5    = 1004 // binary, over header and payload
)

// Tags of the header that are about the payload.
const (
	tagPayloadFormat     = 1124
	tagPayloadCompressor = 1125
	tagPayloadDigest     = 5092 // hex, over the payload as stored
	tagPayloadDigestAlgo = 5093
)

// rpmCompressors are the values of PAYLOADCOMPRESSOR.
var rpmCompressors = map[string]codec.Format{
	"gzip": codec.Gzip, "bzip2": codec.Bzip2, "xz": codec.XZ, "lzma": codec.LZMA, "zstd": codec.Zstd,
}

// rpmDigest returns a hash by the number that OpenPGP has for it (RFC 9580
// section 9.5), nil for one that is not known.
func rpmDigest(algo uint64) hash.Hash {
	switch algo {
	case 1:
		return md5.New()
	case 2:
		return sha1.New()
	case 8:
		return sha256.New()
	case 9:
		return sha512.New384()
	case 10:
		return sha512.New()
	case 11:
		return sha256.New224()
	case 12:
		return sha3.New256()
	case 14:
		return sha3.New512()
	}
	return nil
}

// readRPM reads an rpm package.
func (o *opener) readRPM() error {
	if err := o.rpmLead(); err != nil {
		return err
	}
	sig, end, err := o.rpmHeader("signature", rpmLeadLen)
	if err != nil {
		return err
	}
	start := (end + 7) / 8 * 8
	main, end, err := o.rpmHeader("header", start)
	if err != nil {
		return err
	}
	if _, err := o.rpmRow("payload", end, o.size-end); err != nil {
		return err
	}
	if err := o.rpmCheckDigests(sig, main, start, end); err != nil {
		return err
	}
	files, err := o.rpmFileList(main, start)
	if err != nil {
		return err
	}
	format, err := o.rpmFormat(main, start, end)
	if err != nil {
		return err
	}
	l, err := o.open(format.String(), "cpio", end, o.size-end, format)
	if err != nil {
		return err
	}
	return l.done(o.readCpio(l, newRPMPayload(o, files)))
}

// rpmRow adds a row for a part of the file.
func (o *opener) rpmRow(name string, off, n int64) (int, error) {
	return o.add(Member{Area: "header", Raw: name, Size: n}, content{inFile, off, n})
}

func (o *opener) rpmLead() error {
	lead := make([]byte, rpmLeadLen)
	if _, err := o.ReadAt(lead, 0); err != nil {
		return o.broken("rpm lead", 0, "lead of 96 bytes", err)
	}
	if t := int(lead[rpmSigTypeOff])<<8 | int(lead[rpmSigTypeOff+1]); t != rpmSigType {
		return o.broken("rpm lead", rpmSigTypeOff, fmt.Sprintf("signature type %d; only %d, of rpm 3 and later, can be read", t, rpmSigType), nil)
	}
	_, err := o.rpmRow("lead", 0, rpmLeadLen)
	return err
}

// rpmHeader reads the header at byte off, adds its row, and returns where it
// ends.
func (o *opener) rpmHeader(name string, off int64) (*rpmHeader, int64, error) {
	layer := "rpm " + name
	var intro [rpmIntroLen]byte
	if _, err := o.ReadAt(intro[:], off); err != nil {
		return nil, 0, o.broken(layer, off, "beginning of the header", err)
	}
	n, err := rpmHeaderSize(intro[:])
	if err != nil {
		return nil, 0, o.broken(layer, off, "bad header", err)
	}
	if n > o.size-off {
		return nil, 0, o.broken(layer, off, fmt.Sprintf("header of %d bytes, and the file ends after %d", n, o.size-off), nil)
	}
	b := make([]byte, n)
	if _, err := o.ReadAt(b, off); err != nil {
		return nil, 0, o.broken(layer, off, "header", err)
	}
	h, err := parseRPMHeader(b)
	if err != nil {
		return nil, 0, o.broken(layer, off, "bad header", err)
	}
	_, err = o.rpmRow(name, off, n)
	return h, off + n, err
}

// rpmCheckDigests compares the digests that the package states for its header,
// from start to end, and for the payload after it. Signatures are not checked.
func (o *opener) rpmCheckDigests(sig, main *rpmHeader, start, end int64) error {
	row := len(o.members) - 1 // the payload; the header is before it
	check := func(row int, what string, want string, h hash.Hash, off, n int64) error {
		if want == "" {
			return nil
		}
		if h == nil {
			o.problem(row, Unsupported, "digest of the %s is of an unknown kind and was not checked", what)
			return nil
		}
		if _, err := io.CopyBuffer(h, io.NewSectionReader(o, off, n), o.buf); err != nil {
			return o.broken("rpm header", off, "reading the "+what, err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
			o.problem(row, DigestMismatch, "digest of the %s is %s, the package states %s", what, got, clip(want))
		}
		return nil
	}
	bad := func(layer string, off int64, err error) error { return o.broken(layer, off, "bad header", err) }

	for _, over := range []struct {
		tag  uint32
		algo uint64
	}{{sigSHA1, 2}, {sigSHA256, 8}} {
		want, err := sig.text(over.tag)
		if err != nil {
			return bad("rpm signature", rpmLeadLen, err)
		}
		if err := check(row-1, "header", want, rpmDigest(over.algo), start, end-start); err != nil {
			return err
		}
	}
	want, algo, err := main.payloadDigest()
	if err != nil {
		return bad("rpm header", start, err)
	}
	if want != "" {
		return check(row, "payload", want, rpmDigest(algo), end, o.size-end)
	}
	if want, err = sig.binary(sigMD5, md5.Size); err != nil {
		return bad("rpm signature", rpmLeadLen, err)
	}
	return check(row, "header and payload", want, md5.New(), start, o.size-start)
}

func (h *rpmHeader) payloadDigest() (want string, algo uint64, err error) {
	if want, err = h.text(tagPayloadDigest); err != nil {
		return "", 0, err
	}
	v, err := h.numbers(tagPayloadDigestAlgo, 1)
	if err != nil {
		return "", 0, err
	}
	if len(v) == 0 {
		return want, 8, nil // rpm v6 has no such tag: the digest is SHA-256 by definition
	}
	return want, v[0], nil
}

// rpmFormat tells how the payload is compressed. Its first bytes decide, and
// the header should say the same.
func (o *opener) rpmFormat(main *rpmHeader, start, payload int64) (codec.Format, error) {
	layout, err := main.text(tagPayloadFormat)
	if err != nil {
		return 0, o.broken("rpm header", start, "bad header", err)
	}
	if layout != "" && layout != "cpio" {
		return 0, o.broken("rpm header", start, fmt.Sprintf("payload format %q; only cpio can be read", clip(layout)), nil)
	}
	stated, err := main.text(tagPayloadCompressor)
	if err != nil {
		return 0, o.broken("rpm header", start, "bad header", err)
	}
	head := make([]byte, min(tarBlock, o.size-payload))
	if _, err := o.ReadAt(head, payload); err != nil && err != io.EOF {
		return 0, o.broken("rpm header", payload, "beginning of the payload", err)
	}
	isCpio := bytes.HasPrefix(head, []byte("0707"))
	found := codec.Sniff(head)
	want, known := rpmCompressors[stated]
	switch {
	case stated == "" && (found == codec.Gzip || isCpio), known && found == want:
		// rpm writes no tag for "none", and gzip was the rule before the tag.
		return found, nil
	case want == codec.LZMA && known && found == codec.Plain && !isCpio:
		return codec.LZMA, nil // it has no magic
	case found == codec.Plain && !isCpio:
		return 0, o.broken("rpm header", payload, fmt.Sprintf("payload is neither cpio nor compressed in a known way; the header calls it %q", clip(stated)), nil)
	}
	o.problem(-1, Inconsistent, "payload is %s, and the header calls it %q", found, clip(stated))
	return found, nil
}
