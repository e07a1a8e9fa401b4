// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
)

var hashRules = []Rule{{
	ID:    "no-authentication",
	Why:   "the kernel loads every module, so that a hashset in it has no effect",
	check: noAuthentication,
}, {
	ID:    "no-hashes",
	Why:   "the kernel does not look at a hashset: in-tree modules need signatures, and these need a key",
	check: noHashes,
}, {
	ID:    "not-enforced",
	Why:   "modules that nothing vouches for are loaded and only taint the kernel, unless module.sig_enforce=1 or lockdown says otherwise",
	check: notEnforced,
}, {
	ID:    "hashes-sig-all",
	Why:   "Kconfig lets CONFIG_MODULE_HASHES be y only without CONFIG_MODULE_SIG_ALL, and drops it silently",
	check: hashesSigAll,
}, {
	ID:    "hashes-modsig",
	Why:   "Kconfig lets CONFIG_MODULE_HASHES be y only without CONFIG_IMA_APPRAISE_MODSIG, and drops it silently",
	check: hashesModsig,
}, {
	ID:    "sig-hash-builtin",
	Why:   "a kernel cannot check a signature whose hash algorithm it would have to load as a module first, or does not have",
	check: sigHashBuiltin,
}, {
	ID:    "sig-key-builtin",
	Why:   "a kernel cannot check a signature whose key algorithm it would have to load as a module first, or does not have",
	check: sigKeyBuiltin,
}}

func noAuthentication(r *run) {
	if r.modules() && !r.is("MODULE_SIG") && !r.is("MODULE_HASHES") {
		r.found(Warning, "MODULE_SIG", "CONFIG_MODULE_HASHES=y if the kernel has it, else CONFIG_MODULE_SIG=y", "neither CONFIG_MODULE_SIG nor CONFIG_MODULE_HASHES is y")
	}
}

func noHashes(r *run) {
	if r.signed() && !r.is("MODULE_HASHES") {
		r.found(Note, "MODULE_HASHES", "CONFIG_MODULE_HASHES=y if the kernel has it", "%s", r.says("MODULE_HASHES"))
	}
}

func notEnforced(r *run) {
	if (r.signed() || r.hashed()) && !r.is("MODULE_SIG_FORCE") {
		r.found(Note, "MODULE_SIG_FORCE", "CONFIG_MODULE_SIG_FORCE=y, or module.sig_enforce=1 on the kernel's command line", "%s", r.says("MODULE_SIG_FORCE"))
	}
}

func hashesSigAll(r *run) {
	if r.hashed() && r.signsAll() {
		r.found(Error, "MODULE_SIG_ALL", "\"# CONFIG_MODULE_SIG_ALL is not set\"", "%s, with CONFIG_MODULE_HASHES=y", defaultsTo(r, "MODULE_SIG_ALL", "y"))
	}
}

func hashesModsig(r *run) {
	if r.hashed() && r.is("IMA_APPRAISE_MODSIG") {
		r.found(Error, "IMA_APPRAISE_MODSIG", "\"# CONFIG_IMA_APPRAISE_MODSIG is not set\"", "%s, with CONFIG_MODULE_HASHES=y", r.says("IMA_APPRAISE_MODSIG"))
	}
}

// sigHashes are the members of the choice, and the algorithm that the kernel
// needs for each. The hash's name is the member's in lower case, "_" being "-".
var sigHashes = [...]struct{ member, needs string }{
	{"SHA1", "CRYPTO_SHA1"}, {"SHA224", "CRYPTO_SHA256"}, {"SHA256", "CRYPTO_SHA256"}, {"SHA384", "CRYPTO_SHA512"}, {"SHA512", "CRYPTO_SHA512"},
	{"SHA3_256", "CRYPTO_SHA3"}, {"SHA3_384", "CRYPTO_SHA3"}, {"SHA3_512", "CRYPTO_SHA3"},
}

func hashName(member string) string {
	return strings.ReplaceAll(strings.ToLower(member), "_", "-")
}

// sigHash returns the hash of signatures: what the caller says, else the choice,
// which MODULE_SIG_HASH follows when Kconfig runs, else that.
func (r *run) sigHash() string {
	if r.SigHash != "" {
		return strings.ToLower(r.SigHash)
	}
	for _, h := range sigHashes {
		if r.is("MODULE_SIG_" + h.member) {
			return hashName(h.member)
		}
	}
	name, _ := r.text("MODULE_SIG_HASH")
	return name
}

func sigHashBuiltin(r *run) {
	if !r.signed() {
		return
	}
	name := r.sigHash()
	if name == "" {
		r.unknown("the configuration does not say which hash signatures use: run the kernel's `make olddefconfig`, or name the hash")
		return
	}
	for _, h := range sigHashes {
		if hashName(h.member) != name {
			continue
		}
		if !r.is(h.needs) {
			r.found(Error, h.needs, "CONFIG_"+h.needs+"=y, or sign with a hash that is built in", "%s, and signatures use %s", r.says(h.needs), name)
		}
		return
	}
	r.unknown("no kernel is known to have the hash %s", quote(name))
}

var sigKeys = [...]struct{ name, needs string }{{"rsa", "CRYPTO_RSA"}, {"ecdsa", "CRYPTO_ECDSA"}, {"mldsa", "CRYPTO_MLDSA"}}

// sigKey returns the type of the key: what the caller says, else, of a key that
// the build makes, the choice.
func (r *run) sigKey() string {
	if r.SigKey != "" {
		return strings.ToLower(r.SigKey)
	}
	if key, ok := r.text("MODULE_SIG_KEY"); ok && key != defaultKey {
		return ""
	}
	for name := range r.Config.All() {
		if kind, ok := strings.CutPrefix(name, "MODULE_SIG_KEY_TYPE_"); ok && r.is(name) {
			kind, _, _ = strings.Cut(strings.ToLower(kind), "_") // mldsa_65
			return kind
		}
	}
	return ""
}

func sigKeyBuiltin(r *run) {
	if !r.signed() {
		return
	}
	const fix = "=y, or a key of a type that is built in"
	key := r.sigKey()
	if key == "" {
		r.anyKey()
		return
	}
	for _, k := range sigKeys {
		if k.name != key {
			continue
		}
		if !r.is(k.needs) {
			r.found(Error, k.needs, "CONFIG_"+k.needs+fix, "%s, and signatures use keys of type %s", r.says(k.needs), key)
		}
		return
	}
	r.unknown("no kernel is known to have keys of type %s", quote(key))
}

// anyKey is for a key that is a file or in a token, the type of which the
// configuration does not tell.
func (r *run) anyKey() {
	var have, lack []string
	for _, k := range sigKeys {
		if r.is(k.needs) {
			have = append(have, k.name)
		} else if v, ok := r.Config.Get(k.needs); ok && v == kconfig.Mod || k.name != "mldsa" {
			lack = append(lack, k.name) // ML-DSA is not missed: nobody has such keys by accident
		}
	}
	switch {
	case len(have) == 0:
		r.found(Error, "CRYPTO_RSA", "CONFIG_CRYPTO_RSA=y or CONFIG_CRYPTO_ECDSA=y, as the key needs it", "no algorithm for keys is built in")
	case len(lack) > 0:
		r.found(Note, "MODULE_SIG_KEY", "say which type the key has", "the type of the key is not known; %s is built in, %s is not", strings.Join(have, ", "), strings.Join(lack, ", "))
	}
}
