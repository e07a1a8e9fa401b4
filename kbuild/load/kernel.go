// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
)

// Rules is the order of the kernel's first steps.
type Rules string

// The orders that exist.
const (
	Mainline Rules = "mainline"
	Hashes   Rules = "hashes"
)

// Words says by whose text a kernel with module hashes logs.
type Words string

// The texts that exist.
const (
	SeriesWords Words = "series-v5" // version 5 of the series; its text for a field that must be zero is not known
	PatchWords  Words = "patch"     // module-hashes-6.12.patch of kbuild/linux
)

// Kernel is what is known about a kernel. The zero value of a field is that it is
// not known.
type Kernel struct {
	Rules Rules // "" is Mainline
	Words Words // found in the image; "": not found, and answered by SeriesWords

	Modules    Fact // CONFIG_MODULES
	Signatures Fact // CONFIG_MODULE_SIG
	Hashes     Fact // CONFIG_MODULE_HASHES
	Enforced   Fact // CONFIG_MODULE_SIG_FORCE
	Lockdown   Fact // CONFIG_SECURITY_LOCKDOWN_LSM
	LockedDown Fact // always: CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY or _CONFIDENTIALITY
	ForceLoad  Fact // CONFIG_MODULE_FORCE_LOAD
	Versions   Fact // CONFIG_MODVERSIONS
	Livepatch  Fact // CONFIG_LIVEPATCH
	AnySpace   Fact // CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS
	Decompress Fact // CONFIG_MODULE_DECOMPRESS
	StrictRWX  Fact // CONFIG_STRICT_MODULE_RWX
	Kallsyms   Fact // CONFIG_KALLSYMS

	Decompressor kmod.Compression // of CONFIG_MODULE_DECOMPRESS; None: not known

	Hashset *hashset.Section // nil: not known
	// Keyrings are what the kernel may check signatures with: one, or several if
	// it is not known which one. None: not known.
	Keyrings []*modsig.Keyring
	Listing  *modsig.Listing // of the running system; nil: none is given
	// Revokes is whether the system may refuse keys of Keyrings by what neither
	// the image nor anything given tells: the firmware's dbx, or a list that was not
	// found. If it is not No, no signature is surely valid.
	Revokes Fact

	Arch     string // in the words of the manifest: "x86_64"; "" if not known
	Bits     int    // 32 or 64
	Release  string
	Vermagic string   // all of it, with the blank at its end; "" if not known
	Symbols  *Symbols // nil: not known
	Struct   int      // size in bytes of struct module; 0: not known, and not compared

	bounds   Fact // refuses names of symbols outside of their table
	extended Fact // knows extended versions
	imports  Fact // refuses the import of namespaces of symbols for certain modules
	wantsBTF Fact // refuses type information that is not for it
	flags    Fact // wants __kflagstab beside exported symbols

	baseNames uint32           // bytes of names in its type information; 0: not known
	refuses   bool             // the image has the message of a refused module
	series    bool             // its source has the series or the patch
	order     binary.ByteOrder // nil: not known
	branch    map[byte]Fact    // branch filters of the xz decoder, by their number in the format
}

// Sources are what a [Kernel] is made of.
type Sources struct {
	Image  *image.Image
	Config *kconfig.File // nil: the one that is embedded in the image, if there is one
	Rules  Rules         // "": Hashes if the image has a hashset or the configuration says so
	// Trusted are DER certificates of keys that the running system trusts besides: of
	// the secondary keyring and, where a distribution's kernel asks that too, of the
	// platform keyring. No others are taken to be there.
	Trusted [][]byte
	// Revoked are DER certificates of keys that the system refuses, whoever trusts
	// them: of its dbx, and of the kernel's list if the image does not tell. They are
	// all that there are if AllRevoked is set, or if there is one.
	Revoked    [][]byte
	AllRevoked bool
	Listing    *modsig.Listing
	Symbols    *Symbols
}

// NewKernel finds out what the image, and what is given besides, tell. The error is
// one of reading the image, or a [*ContradictionError].
func NewKernel(s Sources) (*Kernel, error) {
	img := s.Image
	k := &Kernel{
		Rules: s.Rules, Listing: s.Listing, Symbols: s.Symbols,
		Arch: img.Arch, Bits: img.Bits, Release: img.Release, order: img.Order,
	}
	if k.Bits == 0 {
		k.Bits = 64
	}
	cfg := s.Config
	if cfg == nil && img.Config != nil {
		if f, err := kconfig.Parse(img.Config); err == nil {
			cfg = f
		}
	}
	k.hashset(img)
	if cfg != nil {
		k.configure(cfg)
	}
	if k.Rules == "" {
		k.Rules = Mainline
		if img.Hashset != nil || k.Hashes == Yes {
			k.Rules = Hashes
		}
	}
	if k.Rules == Mainline {
		k.Hashes = No // the symbol does not exist there
	}
	if err := k.scan(img); err != nil {
		return nil, err
	}
	if s.Config != nil {
		if err := k.contradiction(&s); err != nil {
			return nil, err
		}
	}
	k.Struct, k.baseNames = typesOf(img)
	if k.Vermagic != "" {
		k.Versions = factOf(strings.Contains(k.Vermagic, " modversions "))
	} else if cfg != nil {
		k.Vermagic = configuredVermagic(cfg, k.Arch, k.Release)
	}
	if k.Versions == Maybe && s.Symbols != nil {
		k.Versions = factOf(s.Symbols.checksums)
	}
	k.Revokes = revokes(&s, cfg)
	k.keyrings(img, cfg, &s)
	return k, nil
}

// hashset reads the section as the kernel does, which takes any root as it stands.
func (k *Kernel) hashset(img *image.Image) {
	h := img.Hashset
	switch {
	case h == nil && (img.Kind() == image.ELF || img.SymbolsFrom != ""):
		k.Hashes = No
		return
	case h == nil:
		return
	}
	k.Hashes = Yes
	const merkle = 36
	if len(h.Data) == merkle {
		root := hashset.Root{Levels: h.Order.Uint32(h.Data)}
		copy(root.Hash[:], h.Data[4:])
		k.Hashset = &hashset.Section{Scheme: hashset.Merkle, Root: root}
		return
	}
	section, err := hashset.ParseSection(h.Data, h.Order)
	var se *hashset.SectionError
	if errors.As(err, &se) {
		section = se.Section
	}
	if section.Scheme == hashset.Flat {
		k.Hashset = &section
	}
}

// configure takes from a .config what it tells.
func (k *Kernel) configure(cfg *kconfig.File) {
	is := func(name string) Fact {
		v, _ := cfg.Get(name)
		return factOf(v == kconfig.Yes)
	}
	for name, f := range map[string]*Fact{
		"MODULES": &k.Modules, "MODULE_SIG": &k.Signatures, "MODULE_SIG_FORCE": &k.Enforced,
		"SECURITY_LOCKDOWN_LSM": &k.Lockdown, "MODULE_FORCE_LOAD": &k.ForceLoad, "MODVERSIONS": &k.Versions,
		"LIVEPATCH": &k.Livepatch, "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS": &k.AnySpace, "MODULE_DECOMPRESS": &k.Decompress,
		"STRICT_MODULE_RWX": &k.StrictRWX, "KALLSYMS": &k.Kallsyms,
	} {
		*f = is(name)
	}
	k.LockedDown = lockedDown(cfg)
	if k.Hashes == Maybe { // what the image holds goes before what is said of it
		k.Hashes = is("MODULE_HASHES")
	}
	k.branch = map[byte]Fact{}
	for id, name := range map[byte]string{4: "X86", 5: "POWERPC", 6: "IA64", 7: "ARM", 8: "ARMTHUMB", 9: "SPARC", 10: "ARM64", 11: "RISCV"} {
		k.branch[id] = is("XZ_DEC_" + name)
	}
	for _, c := range []kmod.Compression{kmod.Gzip, kmod.XZ, kmod.Zstd} {
		if is("MODULE_COMPRESS_"+strings.ToUpper(c.String())) == Yes {
			k.Decompressor = c
		}
	}
}

// lockedDown is whether the kernel is locked down from the start. A module of security
// that is not in the list CONFIG_LSM is not started, but for the early ones, unless
// the command line has another list.
func lockedDown(cfg *kconfig.File) Fact {
	is := func(name string) bool { v, _ := cfg.Get(name); return v == kconfig.Yes }
	if !is("SECURITY_LOCKDOWN_LSM") || !is("LOCK_DOWN_KERNEL_FORCE_INTEGRITY") && !is("LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY") {
		return No
	}
	list, set := cfg.Get("LSM")
	if set && !is("SECURITY_LOCKDOWN_LSM_EARLY") && !slices.Contains(strings.Split(strings.Trim(string(list), `"`), ","), "lockdown") {
		return No
	}
	return Yes
}

// revokes is whether something may be revoked that is not known. The certificates of
// the kernel's own list are in the image, if it has one; without symbols what they are
// for is not known, of which [Kernel.keyrings] makes several keyrings. Firmware has
// its list where a kernel with the option takes it from.
//
// Source: certs/blacklist.c, crypto/asymmetric_keys/pkcs7_trust.c and
// security/integrity/platform_certs/load_*.c.
func revokes(s *Sources, cfg *kconfig.File) Fact {
	if s.AllRevoked || len(s.Revoked) > 0 {
		return No
	}
	if cfg == nil {
		return Maybe
	}
	text := func(name string) string {
		v, _ := cfg.Get(name)
		return strings.Trim(string(v), `"`)
	}
	is := func(name string) bool { return text(name) == string(kconfig.Yes) }
	img := s.Image
	inImage := img.Revoked != nil || hasStrays(img)
	switch {
	case !is("SYSTEM_BLACKLIST_KEYRING") && !is("SYSTEM_REVOCATION_LIST"):
		return No
	case is("LOAD_UEFI_KEYS"), is("LOAD_PPC_KEYS"):
		return Maybe
	case is("SYSTEM_REVOCATION_LIST") && text("SYSTEM_REVOCATION_KEYS") != "" && !inImage:
		return Maybe
	case text("SYSTEM_BLACKLIST_HASH_LIST") != "" && s.Listing == nil:
		return Maybe // of digests of certificates; a listing has them
	}
	return No
}

func hasStrays(img *image.Image) bool {
	l := img.Trusted
	return l != nil && slices.ContainsFunc(l.Certificates, func(c certlist.Certificate) bool { return !l.Listed(&c) })
}

// keyrings makes the keyrings of the built-in certificates and of those given. An
// algorithm that is a module may be loaded already when it is needed, or not; of
// one that no configuration speaks of nothing is known at all. So there are two: with
// all that may be there, and with nothing but what is certain. Of a certificate in
// the image that is not in its list it is not known either whether the kernel trusts
// it, refuses it or has it for something else.
func (k *Kernel) keyrings(img *image.Image, cfg *kconfig.File, from *Sources) {
	kinds := KernelKinds(k.Release, cfg)
	stray := []strays{ignored}
	if hasStrays(img) {
		stray = []strays{ignored, trusted, revoked}
	}
	for _, s := range stray {
		for _, kind := range kinds {
			k.Keyrings = append(k.Keyrings, k.keyring(*kind, from, s))
		}
	}
}

// KernelKinds returns the kinds of kernel that one of a release and a configuration
// can be: with all algorithms that it may have, and if these are not all certain to
// be there when a module is loaded, with those that are. cfg may be nil, and a release
// that is not understood is the newest one.
func KernelKinds(release string, cfg *kconfig.File) []*modsig.Kernel {
	mostKind, leastKind := modsig.KernelOf(release), modsig.KernelOf(release)
	most, least := &mostKind, &leastKind
	if cfg == nil {
		least.Has = func(string) bool { return false }
		return []*modsig.Kernel{most, least}
	}
	waive, _ := cfg.Get("PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA")
	most.WaivesAttributes, least.WaivesAttributes = waive == kconfig.Yes, waive == kconfig.Yes
	most.Has = func(a string) bool { v, _ := cfg.Get(modsig.ConfigSymbol(a)); return v.On() }
	least.Has = func(a string) bool { v, _ := cfg.Get(modsig.ConfigSymbol(a)); return v == kconfig.Yes }
	for _, symbol := range modsig.ConfigSymbols() {
		if v, _ := cfg.Get(symbol); v == kconfig.Mod {
			return []*modsig.Kernel{most, least}
		}
	}
	return []*modsig.Kernel{most}
}

// strays is what becomes of certificates that are in an image but not in its list.
type strays int

const (
	ignored strays = iota
	trusted
	revoked
)

func (k *Kernel) keyring(kind modsig.Kernel, from *Sources, stray strays) *modsig.Keyring {
	r := modsig.NewKeyring(kind)
	img := from.Image
	for _, der := range from.Revoked {
		r.Revoke(der) // one that is refused is not in the ring
	}
	if k.Listing != nil {
		for _, d := range k.Listing.Denied() {
			r.Deny(d)
		}
	}
	if img.Revoked != nil {
		for i := range img.Revoked.Certificates {
			r.Revoke(img.Revoked.Certificates[i].Raw) // as before
		}
	}
	if l := img.Trusted; l != nil {
		for i := range l.Certificates {
			c := &l.Certificates[i]
			switch listed := l.Listed(c); {
			case listed && (k.Signatures != No || !l.OfBuild(c)), !listed && stray == trusted:
				r.Add(c.Raw) // as before
			case !listed && stray == revoked:
				r.Revoke(c.Raw) // as before
			}
		}
	}
	for _, der := range from.Trusted {
		r.Add(der) // as before
	}
	return r
}
