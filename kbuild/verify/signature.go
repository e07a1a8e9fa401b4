// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/trailer"
)

// Keys are what signatures are checked with.
type Keys struct {
	// Trusted are the certificates of the keys by which modules may be signed.
	Trusted []certlist.Certificate
	// Revoked are certificates of keys by which nothing may be signed.
	Revoked []certlist.Certificate
	// Listing is what a system shows of its keys; nil: none was given. It makes no
	// signature valid.
	Listing *modsig.Listing
}

// names reports whether a certificate is one of the trusted ones.
func (k *Keys) names(cert *certlist.Certificate) bool {
	return k != nil && slices.ContainsFunc(k.Trusted, func(c certlist.Certificate) bool { return bytes.Equal(c.Raw, cert.Raw) })
}

// Signature is what was found out about the signature of one module.
type Signature struct {
	Name string // as in findings
	Path string // of the file, for messages
	Kind Kind   // what is wrong with it; "" if it is valid
	// Errno and Reason are the kernel's answer, and why: "" if it is valid.
	Errno  modsig.Errno
	Reason string
	// Signers are whom the message names, if it can be read as a kernel does, without
	// the values of their signatures.
	Signers []modsig.Signer
	Extra   int         // bytes behind the message, which a kernel ignores
	Key     *modsig.Key // by which it is valid
	Allowed string      // why it need not be signed; "" if it must
}

// Signatures are those of the modules that have to be signed.
type Signatures struct {
	List  []Signature   // in the order of the build's modules
	Keys  []*modsig.Key // that the kernel would trust
	Valid int           // of List
}

// eNoData is a kernel's answer to a module without a signature.
const eNoData modsig.Errno = "ENODATA"

// ring is the keyring of a kernel that trusts the keys. Of those that are built into
// the kernel the order is that of the image: of two with one name and key id, the
// last is the one that it knows.
func (k *Keys) ring(kind modsig.Kernel, img *Kernel) (*modsig.Keyring, []kbuild.Problem) {
	r := modsig.NewKeyring(kind)
	if k.Listing != nil {
		for _, d := range k.Listing.Denied() {
			r.Deny(d)
		}
	}
	revoked := k.Revoked
	if img != nil && img.Image.Revoked != nil {
		revoked = slices.Concat(img.Image.Revoked.Certificates, revoked)
	}
	for _, c := range revoked {
		r.Revoke(c.Raw) // one that the kernel refuses is not in its ring either
	}
	trusted := slices.Clone(k.Trusted)
	slices.SortStableFunc(trusted, func(a, b certlist.Certificate) int { return img.builtIn(a.Raw) - img.builtIn(b.Raw) })
	var notes []kbuild.Problem
	note := func(name, format string, args ...any) {
		notes = append(notes, kbuild.Problem{Kind: "unused-key", Name: name, Note: true, Detail: fmt.Sprintf(format, args...)})
	}
	for i := range trusted {
		if img.unclear(trusted[i].Raw) {
			note(trusted[i].Subject, "this certificate is in the kernel image, and not only in its list of trusted ones: it may be a revoked one, so nothing is valid by it; a System.map tells")
			continue
		}
		before := r.Keys()
		key, err := r.Add(trusted[i].Raw)
		var no *modsig.Refusal
		if errors.As(err, &no) && no.Errno == modsig.Unknown {
			note(trusted[i].Subject, "whether the kernel takes this certificate is not known here, so nothing is valid by it, and signatures by its key are not checked: %v", err)
			continue
		}
		if err != nil {
			note(trusted[i].Subject, "the kernel does not take this certificate, so nothing is valid by it: %v", err)
			continue
		}
		for _, o := range before {
			if o.Description() == key.Description() && !bytes.Equal(o.Raw, key.Raw) {
				note(o.Description(), "two certificates have this name and key id: a kernel knows the last one only, with serial %s", modsig.SerialHex(key.Serial))
			}
		}
	}
	return r, notes
}

// unclear reports whether a certificate is in the image outside of the list of
// trusted ones while it is not known what the kernel revokes.
func (k *Kernel) unclear(der []byte) bool {
	if k == nil || k.Image.Trusted == nil || k.Image.Revoked != nil {
		return false
	}
	l := k.Image.Trusted
	return slices.ContainsFunc(l.Certificates, func(c certlist.Certificate) bool { return !l.Listed(&c) && bytes.Equal(c.Raw, der) })
}

// builtIn is the place of a certificate in the image, -1 if it is not there.
func (k *Kernel) builtIn(der []byte) int {
	if k == nil || k.Image.Trusted == nil {
		return -1
	}
	return slices.IndexFunc(k.Image.Trusted.Certificates, func(c certlist.Certificate) bool { return bytes.Equal(c.Raw, der) })
}

// signatureChecker makes what looks at the signature of each module that has to have
// one; nil if none has.
func (c *checker) signatureChecker(b *kbuild.Build, a Against) kbuild.Visitor {
	if a.Keys == nil || c.o.HashedOnly {
		return nil
	}
	kind := modsig.KernelOf(b.Release)
	if k := a.Kernel; k != nil {
		kind = modsig.KernelOf(k.Image.Release)
		if cfg, err := kconfig.Parse(k.Image.Config); err == nil && k.Image.Config != nil {
			on := func(symbol string) bool { v, _ := cfg.Get(symbol); return v == kconfig.Yes }
			kind.WaivesAttributes = on("PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA")
			kind.Has = func(algorithm string) bool { return on(modsig.ConfigSymbol(algorithm)) }
		}
	}
	ring, notes := a.Keys.ring(kind, a.Kernel)
	c.r.Notes = append(c.r.Notes, notes...)
	c.r.Signatures = &Signatures{Keys: ring.Keys()}
	c.checks = make([]*Signature, len(b.Modules())+len(b.Others()))
	hashed := a.Manifest != nil || a.Kernel != nil
	return func(i int, s *kbuild.Sum, m *kmod.Module) error {
		if hashed && strings.HasPrefix(s.Name, "kernel/") {
			return nil
		}
		sig := &Signature{Name: s.Name, Path: s.File.Path()}
		c.checks[i] = sig
		p := modsig.NewPayload(m.Payload(), m.Trailer.Payload)
		if hashed {
			p.SetDigest(crypto.SHA256, s.Payload[:])
		}
		if err := sig.check(ring, a.Keys.Listing, p, m); err != nil || hashed || sig.Kind == "" {
			return err
		}
		sum, err := p.Digest(crypto.SHA256) // by which it may be allowed
		copy(s.Payload[:], sum)
		return err
	}
}

// check fills in the kernel's answer. The error is one of reading.
func (x *Signature) check(r *modsig.Keyring, l *modsig.Listing, p *modsig.Payload, m *kmod.Module) error {
	refuse := func(k Kind, e modsig.Errno, format string, args ...any) error {
		x.Kind, x.Errno, x.Reason = k, e, fmt.Sprintf(format, args...)
		return nil
	}
	t := &m.Trailer
	switch {
	case t.State == trailer.None:
		return refuse(Unsigned, eNoData, "no signature")
	case t.State == trailer.Junk:
		return refuse(Unsigned, eNoData, "no signature where a kernel looks for it: %s", t.Reason)
	case t.State != trailer.Valid:
		return refuse(BadSignature, modsig.EBADMSG, "%s", t.Reason)
	case t.Block.Type == trailer.Merkle:
		return refuse(Unsigned, modsig.ENOPKG, "a proof instead of a signature: that counts for an in-tree module and a kernel with its hashset")
	case t.Block.Type != trailer.PKCS7:
		return refuse(UnknownAlgorithm, modsig.ENOPKG, "a %s signature, which kernels check no more", t.Block.Type)
	}
	der := make([]byte, min(t.Block.SigLen, modsig.MaxMessage))
	if n, err := m.Tail().ReadAt(der, t.SignatureOffset()-t.Payload); n < len(der) {
		return fmt.Errorf("reading the signature: %w", err)
	}
	var no *modsig.Refusal
	msg, err := r.Kernel().ParseMessage(der)
	if err == nil {
		x.Signers, x.Extra = msg.Signers, msg.Extra
		if whole(msg) && t.Payload > maxWhole {
			return refuse(Unchecked, modsig.Unknown, "ML-DSA over %d bytes, more than %d are not read at once", t.Payload, int64(maxWhole))
		}
		x.Key, err = r.Verify(msg, p)
		for i := range x.Signers {
			x.Signers[i].Value = nil // holds the whole message, of thousands of modules
		}
	}
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &no):
		return err
	}
	if no.Denied {
		return refuse(RevokedKey, no.Errno, "%s", no.Reason)
	}
	switch no.Errno {
	case modsig.ENOKEY:
		if msg != nil && l != nil {
			if why := listed(l, msg.Signers, r.Keys()); why != "" {
				return refuse(Unchecked, modsig.Unknown, "%s", why)
			}
		}
		return refuse(UnknownKey, no.Errno, "%s", no.Reason)
	case modsig.Unknown:
		return refuse(Unchecked, no.Errno, "%s", no.Reason)
	case modsig.ENOPKG, "ENOENT":
		return refuse(UnknownAlgorithm, no.Errno, "%s", no.Reason)
	}
	return refuse(BadSignature, no.Errno, "%s", no.Reason)
}

// maxWhole is the size in bytes up to which a payload is held in memory.
const maxWhole = 512 << 20

// whole reports whether a signature is over the payload itself and not its digest.
func whole(m *modsig.Message) bool {
	return slices.ContainsFunc(m.Signers, func(s modsig.Signer) bool { return strings.HasPrefix(s.Algorithm, "mldsa") && !s.Attributes })
}

// listed says that a listing of keys shows that of a signer, or may; "" if it does
// not.
func listed(l *modsig.Listing, signers []modsig.Signer, known []*modsig.Key) string {
	for i := range signers {
		s := &signers[i]
		switch {
		case !l.MayKnow(s, known):
		case s.KeyID != nil:
			return fmt.Sprintf("key id %s present, signature not checked", s.Hex())
		default:
			return fmt.Sprintf("the listing may have the key of %s, whose key id the signature does not tell; signature not checked", s)
		}
	}
	return ""
}

// signatures reports what is wrong with signatures, and without.
func (c *checker) signatures(a Against) {
	if c.o.HashedOnly {
		c.hashedOnly()
	}
	out := c.r.Signatures
	if out == nil {
		return
	}
	for i, s := range c.checks {
		switch {
		case s == nil:
			continue
		case s.Kind == "":
			out.Valid++
		default:
			detail := string(s.Errno) + ": " + s.Reason
			allowed, why := c.o.Allowed.allows(s, c.sum.Sums[i].Payload)
			if s.Allowed = allowed; why != "" {
				detail += "; " + why
			}
			if allowed != "" {
				detail += "; allowed: " + allowed
			}
			c.r.Findings = append(c.r.Findings, Finding{Kind: s.Kind, Name: s.Name, Detail: detail, Accepted: allowed != ""})
		}
		out.List = append(out.List, *s)
	}
	for _, e := range c.o.Allowed.stale(out.List, c.o.Partial) {
		c.find(Stale, e.Name, "line %d of the list", e.Line)
	}
	if k := a.Kernel; k != nil {
		c.notBuiltIn(k, out)
	}
}

// notBuiltIn notes keys that modules are signed by and that the image does not hold:
// the kernel loads these modules only if it gets the keys elsewhere.
func (c *checker) notBuiltIn(k *Kernel, out *Signatures) {
	for _, key := range out.Keys {
		used := slices.ContainsFunc(out.List, func(s Signature) bool { return s.Key == key })
		if used && k.builtIn(key.Raw) < 0 {
			c.r.Notes = append(c.r.Notes, kbuild.Problem{Kind: "key-not-built-in", Name: key.Subject, Note: true,
				Detail: "modules are signed by this key, which is not built into the image: the kernel loads them only if it gets the key elsewhere, as from the firmware (MOK)"})
		}
	}
}

// hashedOnly reports signatures in a system without any key.
func (c *checker) hashedOnly() {
	for i := range c.sum.Sums {
		s := &c.sum.Sums[i]
		if s.Problem == nil && s.File != nil && s.Trailer.State == trailer.Valid && s.Trailer.Block.Type != trailer.Merkle {
			c.find(Signed, s.Name, "%s", s.TrailerName)
		}
	}
}

// missing reports listed modules that were not given, where only signatures are
// checked.
func (c *checker) missing() {
	c.r.Root = RootNone
	n := 0
	for i := range c.sum.Sums[:c.sum.Listed] {
		if c.sum.Sums[i].File == nil {
			n++
		}
	}
	if n > 0 && c.o.Partial {
		c.find(Partial, "", "%d of %d modules were not given", n, c.sum.Listed)
	}
}
