// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// outcome is an internal result of the authentication.
type outcome struct {
	errno Errno
	// unchecked: the kernel has no authentication at all.
	unchecked bool
	// hard: refused whatever the mode, although errno is a soft one elsewhere.
	hard bool
}

// soft reports whether it depends on the mode what becomes of the module.
func (o outcome) soft() bool {
	return !o.hard && (o.errno == eNoData || o.errno == modsig.ENOPKG || o.errno == modsig.ENOKEY)
}

// authentication is the first part of the decision, without its policy.
type authentication struct {
	outcomes []outcome // without repetitions
	steps    []Step
	// payloads are the lengths of the module that what follows may see; one if it
	// is known which trailers the kernel cuts off.
	payloads []int64
	own      bool // admitted by the hashset
	log      []string
}

// authenticator answers for the bytes that the kernel sees.
type authenticator struct {
	k    *Kernel
	r    io.ReaderAt
	size int64
	out  authentication

	block     trailer.Block
	blockAt   int64
	signature int64 // its length
	payload   int64 // the file without the trailer, if that is well-formed
}

// authenticate is the kernel's module_auth_check or module_sig_check. The error is
// one of reading r.
func (k *Kernel) authenticate(r io.ReaderAt, size int64, flags Flags) (authentication, error) {
	a := &authenticator{k: k, r: r, size: size}
	if err := a.run(flags); err != nil {
		return a.out, fmt.Errorf("reading: %w", err)
	}
	slices.Sort(a.out.payloads)
	a.out.payloads = slices.Compact(a.out.payloads)
	return a.out, nil
}

func (a *authenticator) run(flags Flags) error {
	if a.k.Hashset != nil && a.k.Hashset.Scheme == hashset.Flat {
		return a.flat(flags)
	}
	return a.byTrailer(flags)
}

// step notes what was found and, if the kernel's answer is one of several, all.
func (a *authenticator) step(name string, errnos []Errno, format string, args ...any) {
	a.out.steps = append(a.out.steps, Step{name, fmt.Sprintf(format, args...), errnos})
}

func (a *authenticator) add(o outcome) {
	if !slices.Contains(a.out.outcomes, o) {
		a.out.outcomes = append(a.out.outcomes, o)
	}
}

// byTrailer decides by the type of the last trailer, for every combination of
// configurations that is possible.
func (a *authenticator) byTrailer(flags Flags) error {
	early, text, err := a.early(flags)
	if err != nil {
		return err
	}
	var proof, signature []Errno
	if early == success {
		if proof, signature, err = a.check(); err != nil {
			return err
		}
	} else {
		a.step("trailer", []Errno{early}, "%s", text)
	}
	for _, sig := range a.k.Signatures.values() {
		for _, hashes := range a.k.Hashes.values() {
			for _, o := range a.decide(sig, hashes, early, proof, signature) {
				a.add(o)
			}
			a.out.payloads = append(a.out.payloads, a.length(sig, hashes, early))
		}
	}
	a.out.own = len(a.out.outcomes) == 1 && a.out.outcomes[0] == outcome{} && a.block.Type == trailer.Merkle
	return nil
}

// length is how much of the file is left for what follows: the marker goes with a
// look at the block, and the rest of the trailer if it is of a type that is checked.
func (a *authenticator) length(sig, hashes bool, early Errno) int64 {
	switch {
	case !sig && !hashes || early == eNoData:
		return a.size
	case early == success && a.malformed(sig, hashes) == success:
		return a.payload
	}
	return a.size - int64(len(trailer.Marker))
}

// early is what needs no look at the trailer's type.
func (a *authenticator) early(flags Flags) (Errno, string, error) {
	if flags&(IgnoreModversions|IgnoreVermagic) != 0 {
		return eNoData, "loading is forced, so the kernel does not look at a trailer", nil
	}
	tail := make([]byte, min(a.size, int64(len(trailer.Marker)+trailer.BlockSize)))
	if n, err := a.r.ReadAt(tail, a.size-int64(len(tail))); n < len(tail) {
		return "", "", err
	}
	if a.size <= int64(len(trailer.Marker)) || !bytes.HasSuffix(tail, []byte(trailer.Marker)) {
		text := "no trailer: the file does not end in the marker"
		if t, err := trailer.Split(a.r, a.size); err == nil && t.State == trailer.Junk {
			text = "no trailer: " + t.Reason
		}
		return eNoData, text, nil
	}
	rest := a.size - int64(len(trailer.Marker))
	if rest <= trailer.BlockSize {
		return modsig.EBADMSG, fmt.Sprintf("%d bytes before the marker", rest), nil
	}
	b := tail[:trailer.BlockSize]
	a.block = trailer.Block{Algo: b[0], Hash: b[1], Type: trailer.Type(b[2]), SignerLen: b[3], KeyIDLen: b[4],
		Pad: [3]byte(b[5:8]), SigLen: binary.BigEndian.Uint32(b[8:])}
	a.blockAt = rest - trailer.BlockSize
	a.signature = int64(a.block.SigLen)
	return success, "", nil
}

// malformed is what is wrong with the block, in the order of the two rules.
func (a *authenticator) malformed(sig, hashes bool) Errno {
	b := &a.block
	known := b.Type == trailer.PKCS7 && sig || b.Type == trailer.Merkle && hashes
	tooLong := a.signature >= a.blockAt
	switch {
	case a.k.Rules != Hashes && tooLong:
		return modsig.EBADMSG
	case !known:
		return modsig.ENOPKG
	case tooLong:
		return modsig.EBADMSG
	case b.Algo != 0 || b.Hash != 0 || b.SignerLen != 0 || b.KeyIDLen != 0 || b.Pad != [3]byte{}:
		return modsig.EBADMSG
	}
	return success
}

// decide is the internal result in one configuration.
func (a *authenticator) decide(sig, hashes bool, early Errno, proof, signature []Errno) []outcome {
	switch {
	case !sig && !hashes:
		return []outcome{{unchecked: true}}
	case early != success:
		return []outcome{{errno: early}}
	}
	if e := a.malformed(sig, hashes); e != success {
		return []outcome{{errno: e}}
	}
	results := signature
	if a.block.Type == trailer.Merkle {
		results = proof
	}
	out := make([]outcome, len(results))
	for i, e := range results {
		out[i] = outcome{errno: e}
	}
	return out
}

// check looks at the block and at what the trailer carries, as far as some possible
// configuration gets there.
func (a *authenticator) check() (proof, signature []Errno, err error) {
	b := &a.block
	var errnos []Errno
	reached := false
	for _, sig := range a.k.Signatures.values() {
		for _, hashes := range a.k.Hashes.values() {
			if !sig && !hashes {
				continue
			}
			e := a.malformed(sig, hashes)
			errnos = append(errnos, e)
			reached = reached || e == success
		}
	}
	slices.Sort(errnos)
	errnos = slices.Compact(errnos)
	if len(errnos) == 0 {
		a.step("trailer", []Errno{success}, "type %d; the kernel does not look at trailers", b.Type)
		return nil, nil, nil
	}
	a.step("trailer", errnos, "%s", a.describe(errnos))
	a.log(errnos)
	if !reached {
		return nil, nil, nil
	}
	a.payload = a.blockAt - a.signature
	if b.Type == trailer.Merkle {
		proof, err = a.checkProof()
		return proof, nil, err
	}
	signature, err = a.checkSignature()
	return nil, signature, err
}

// log is what the kernel logs about a block that it does not take.
func (a *authenticator) log(errnos []Errno) {
	if len(errnos) != 1 {
		return
	}
	unknownType := errnos[0] == modsig.ENOPKG
	notZero := errnos[0] == modsig.EBADMSG && a.signature < a.blockAt
	mainline, patch := a.k.Rules != Hashes, a.k.Rules == Hashes && a.k.Words == PatchWords
	switch {
	case unknownType && mainline:
		a.out.log = []string{"module: not signed with expected PKCS#7 message"}
	case unknownType && patch:
		a.out.log = []string{fmt.Sprintf("module: trailer of type %d: this kernel has no check for it", a.block.Type)}
	case unknownType:
		a.out.log = []string{"module: " + seriesFormat}
	case notZero && mainline:
		a.out.log = []string{"module: PKCS#7 signature info has unexpected non-zero params"}
	case notZero && patch:
		a.out.log = []string{fmt.Sprintf("module: trailer of type %d: a field that must be zero is not", a.block.Type)}
	}
}

func (a *authenticator) describe(errnos []Errno) string {
	b := &a.block
	s := fmt.Sprintf("type %d (%v), %d bytes", b.Type, b.Type, b.SigLen)
	switch {
	case len(errnos) > 1:
		return s + ", which the kernel takes or not, depending on its configuration"
	case errnos[0] == modsig.ENOPKG:
		return s + ": not a type that this kernel checks"
	case errnos[0] == modsig.EBADMSG && a.signature >= a.blockAt:
		return s + fmt.Sprintf(", but there are %d before the block", a.blockAt)
	case errnos[0] == modsig.EBADMSG:
		return s + ": a field that must be zero is not"
	}
	return s
}

// checkProof follows the kernel's steps for a Merkle proof.
func (a *authenticator) checkProof() ([]Errno, error) {
	fail := func(e Errno, format string, args ...any) ([]Errno, error) {
		a.step("proof", []Errno{e}, format, args...)
		return []Errno{e}, nil
	}
	if a.k.Hashset == nil {
		return fail(unknown, "the kernel's hashset is not known")
	}
	root := a.k.Hashset.Root
	if want := 4 + 32*uint64(root.Levels); uint64(a.signature) != want {
		why := ""
		if root == (hashset.Root{}) {
			why = "; its root is all zero, so it was never written into the image"
		}
		return fail(modsig.ENOPKG, "%d bytes, the proofs of this kernel have %d (%d levels)%s", a.signature, want, root.Levels, why)
	}
	const most = 1 << 20
	if a.signature > most {
		return fail(unknown, "%d bytes, more than are read", a.signature)
	}
	b := make([]byte, a.signature)
	if n, err := a.r.ReadAt(b, a.payload); n < len(b) {
		return nil, err
	}
	p, err := hashset.ParseProof(b)
	if err != nil {
		return fail(modsig.ENOPKG, "%v", err)
	}
	h := hashset.NewLeafHasher(p.Pos)
	if err := a.copyPayload(h); err != nil {
		return nil, err
	}
	_, leaf := h.Sum()
	switch err := hashset.Check(root, p, leaf); {
	case errors.Is(err, hashset.ErrDepth):
		return fail(modsig.ENOPKG, "position %d: %v", p.Pos, err)
	case err != nil:
		return fail(modsig.ENOKEY, "position %d: leads to %s, the kernel's root is %s", p.Pos, p.Root(leaf).Hash, root.Hash)
	}
	return fail(success, "position %d: leads to the kernel's root", p.Pos)
}

func (a *authenticator) copyPayload(w io.Writer) error {
	n, err := io.Copy(w, io.NewSectionReader(a.r, 0, a.payload))
	if err == nil && n < a.payload {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// flat is the decision of a kernel with a list of digests: the whole file is looked
// up, and if it is not there, the signature counts if there is a check of those.
func (a *authenticator) flat(flags Flags) error {
	h := sha256.New()
	a.payload = a.size
	if err := a.copyPayload(h); err != nil {
		return err
	}
	if slices.Contains(a.k.Hashset.Digests, hashset.Digest(h.Sum(nil))) {
		a.step("hash", []Errno{success}, "the file's digest is in the kernel's list")
		a.add(outcome{})
		a.out.own = true
		a.out.payloads = []int64{a.size}
		return nil
	}
	a.step("hash", []Errno{modsig.ENOKEY}, "the file's digest is not in the kernel's list")
	k := *a.k
	k.Hashset, k.Rules, k.Hashes = nil, Mainline, No
	for _, sig := range a.k.Signatures.values() {
		if !sig {
			a.add(outcome{errno: modsig.ENOKEY, hard: true})
			a.out.payloads = append(a.out.payloads, a.size)
			continue
		}
		k.Signatures = Yes
		again, err := k.authenticate(a.r, a.size, flags)
		if err != nil {
			return err
		}
		for _, o := range again.outcomes {
			a.add(o)
		}
		a.out.steps = append(a.out.steps, again.steps...)
		a.out.payloads = append(a.out.payloads, again.payloads...)
	}
	return nil
}
