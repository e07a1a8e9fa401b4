// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
)

// defaultKey is the one value for which certs/Makefile makes a key. Every other
// spelling of the same path is a key that must be there.
const defaultKey = "certs/signing_key.pem"

var keyRules = []Rule{{
	ID:    "throwaway-key",
	Why:   "the build makes a new key and puts its certificate into the kernel image, so no second build gives the same image, even if no module is signed",
	check: throwawayKey,
}, {
	ID:    "key-pin",
	Why:   "the PIN of a token stands in a file that is published: in packages of headers, in the kernel package's config, and with IKCONFIG in the kernel image",
	check: keyPin,
}, {
	ID:    "key-path",
	Why:   "an absolute path makes the configuration depend on where it was built, and with IKCONFIG the kernel image too",
	check: keyPath,
}, {
	ID:    "sign-needs-key",
	Why:   "modules that are signed when they are installed can be rebuilt bit for bit only by who has the private key, and with ECDSA and ML-DSA not even then, because each signature is another",
	check: signNeedsKey,
}, {
	ID:    "sign-without-key",
	Why:   "there is no key to sign the modules with, so that installing them fails or leaves them unsigned",
	check: signWithoutKey,
}}

func throwawayKey(r *run) {
	if !r.hasKey() {
		return
	}
	key, ok := r.text("MODULE_SIG_KEY")
	if ok && key != defaultKey {
		return
	}
	r.found(Error, "MODULE_SIG_KEY",
		`CONFIG_MODULE_SIG_KEY="" and "# CONFIG_MODULE_SIG_ALL is not set"; the certificate for out-of-tree modules goes to CONFIG_SYSTEM_TRUSTED_KEYS`,
		"%s: the default %q, for which the build makes a key", r.says("MODULE_SIG_KEY"), defaultKey)
}

// keyPin looks at the whole text, comments included, because IKCONFIG and
// packages take it whole.
func keyPin(r *run) {
	const most = 20 // findings; a hostile file has more lines than anybody reads
	no, n := 0, 0
	for line := range bytes.Lines(r.Config.Bytes()) {
		no++
		if !bytes.Contains(bytes.ToLower(line), []byte("pin-value=")) {
			continue
		}
		if n++; n > most {
			continue
		}
		f := Finding{Severity: Error, Line: no, Found: "the line holds pin-value=", Fix: "take pin-source=file:PATH, or the configuration of the PKCS#11 provider, and change the PIN if the file was published"}
		if name, _, ok := strings.Cut(strings.TrimPrefix(string(line), "CONFIG_"), "="); ok && bytes.HasPrefix(line, []byte("CONFIG_")) && r.Config.Has(name) {
			f.Symbol = "CONFIG_" + name
		}
		r.add(f) // without the line itself: reports are published too
	}
	if n > most {
		r.add(Finding{Severity: Error, Found: fmt.Sprintf("%d more lines hold pin-value=", n-most), Fix: "see the lines before"})
	}
}

func keyPath(r *run) {
	for _, symbol := range []string{"MODULE_SIG_KEY", "SYSTEM_TRUSTED_KEYS", "SYSTEM_REVOCATION_KEYS", "SYSTEM_BLACKLIST_HASH_LIST"} {
		if path, ok := r.text(symbol); ok && strings.HasPrefix(path, "/") {
			r.found(Warning, symbol, "a path relative to the top of the source or build tree, such as \"certs/oot.pem\"", "%s, an absolute path", r.says(symbol))
		}
	}
}

func signNeedsKey(r *run) {
	if key, ok := r.text("MODULE_SIG_KEY"); !ok || key == "" || key == defaultKey || !r.signsAll() {
		return
	}
	r.found(Warning, "MODULE_SIG_ALL", "\"# CONFIG_MODULE_SIG_ALL is not set\": let hashes vouch for in-tree modules, or attach signatures that are kept as sources",
		"%s, and the key is %s", defaultsTo(r, "MODULE_SIG_ALL", "y"), r.says("MODULE_SIG_KEY")[len("it is "):])
}

func signWithoutKey(r *run) {
	if key, ok := r.text("MODULE_SIG_KEY"); ok && key == "" && r.signsAll() {
		r.found(Error, "MODULE_SIG_ALL", "\"# CONFIG_MODULE_SIG_ALL is not set\"", "%s, but CONFIG_MODULE_SIG_KEY is empty", defaultsTo(r, "MODULE_SIG_ALL", "y"))
	}
}

// defaultsTo is says for a symbol with a default that counts.
func defaultsTo(r *run, symbol string, value kconfig.Value) string {
	if r.Config.Has(symbol) {
		return r.says(symbol)
	}
	return r.says(symbol) + ", and its default is " + string(value)
}
