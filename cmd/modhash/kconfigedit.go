// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
)

// Symbols that are met often.
const (
	defaultSigKey = "certs/signing_key.pem" // with this value alone the build makes a key
	sigKey        = "MODULE_SIG_KEY"
	trustedKeys   = "SYSTEM_TRUSTED_KEYS"
)

// choices are the choices of Kconfig about modules, with the members in the
// order in which Kconfig writes them, and what each member selects: the kernel
// has it built in then. Sources: kernel/module/Kconfig and certs/Kconfig of
// Linux 6.1 to 7.2.
var choices = [...][]member{
	{
		{"MODULE_SIG_SHA1", "sha1", "CRYPTO_SHA1"}, {"MODULE_SIG_SHA224", "sha224", "CRYPTO_SHA256"},
		{"MODULE_SIG_SHA256", "sha256", "CRYPTO_SHA256"}, {"MODULE_SIG_SHA384", "sha384", "CRYPTO_SHA512"},
		{"MODULE_SIG_SHA512", "sha512", "CRYPTO_SHA512"}, {"MODULE_SIG_SHA3_256", "sha3-256", "CRYPTO_SHA3"},
		{"MODULE_SIG_SHA3_384", "sha3-384", "CRYPTO_SHA3"}, {"MODULE_SIG_SHA3_512", "sha3-512", "CRYPTO_SHA3"},
	},
	{
		{"MODULE_SIG_KEY_TYPE_RSA", "rsa", "CRYPTO_RSA"}, {"MODULE_SIG_KEY_TYPE_ECDSA", "ecdsa", "CRYPTO_ECDSA"},
		{"MODULE_SIG_KEY_TYPE_MLDSA_44", "mldsa-44", "CRYPTO_MLDSA"}, {"MODULE_SIG_KEY_TYPE_MLDSA_65", "mldsa-65", "CRYPTO_MLDSA"},
		{"MODULE_SIG_KEY_TYPE_MLDSA_87", "mldsa-87", "CRYPTO_MLDSA"},
	},
	{
		{"MODULE_COMPRESS_NONE", "none", ""}, {"MODULE_COMPRESS_GZIP", "gzip", ""},
		{"MODULE_COMPRESS_XZ", "xz", ""}, {"MODULE_COMPRESS_ZSTD", "zstd", ""},
	},
}

type member struct{ symbol, word, needs string }

func symbolsOf(choice []member) []string {
	out := make([]string, len(choice))
	for i, m := range choice {
		out[i] = m.symbol
	}
	return out
}

func wordsOf(choice []member) []string {
	out := make([]string, len(choice))
	for i, m := range choice {
		out[i] = m.word
	}
	return out
}

func sigHashNames() []string { return wordsOf(choices[0]) }

// set gives a symbol a value and remembers that somebody wants it.
func (c *kconfigFile) set(name string, v kconfig.Value) error {
	c.ask(name)
	return c.now.Set(name, v)
}

func (c *kconfigFile) ask(name string) {
	if !slices.Contains(c.asked, name) {
		c.asked = append(c.asked, name)
	}
}

func (c *kconfigFile) is(name string) bool {
	v, _ := c.now.Get(name)
	return v == kconfig.Yes
}

func editSet(_ *kconfigRun, c *kconfigFile, arg string) error {
	name, text, ok := strings.Cut(arg, "=")
	if !ok {
		return usageError("want NAME=VALUE, or NAME:=TEXT for a text")
	}
	v := kconfig.Value(text)
	name, isText := strings.CutSuffix(name, ":")
	if isText {
		v = kconfig.String(text)
	}
	name = symbolName(name)
	if name == "MODULE_SIG_HASH" {
		return usageError("Kconfig takes CONFIG_MODULE_SIG_HASH from the choice of a hash: --sig-hash sets both")
	}
	for _, choice := range choices {
		if i := slices.IndexFunc(choice, func(m member) bool { return m.symbol == name }); i >= 0 && v == kconfig.Yes {
			return choose(c, choice, choice[i])
		}
	}
	switch was, ok := c.now.Get(name); {
	case ok && was != kconfig.No && was.IsString() != v.IsString():
		return usageError("it is %s now: a text is set with NAME:=TEXT, anything else with NAME=VALUE", kconfig.Redact(string(was)))
	case ok && !v.IsString() && isSwitch(was) != isSwitch(v):
		return usageError("it is %s now: y, m and n are of other options than numbers and texts are", kconfig.Redact(string(was)))
	}
	err := c.set(name, v)
	if errors.Is(err, kconfig.ErrInvalid) && !isText && kconfig.ValidName(name) {
		return withHint(&usage{err}, "a text is set with --set %s:=TEXT", name)
	}
	return err
}

func isSwitch(v kconfig.Value) bool { return v == kconfig.Yes || v == kconfig.Mod || v == kconfig.No }

func editUnset(_ *kconfigRun, c *kconfigFile, arg string) error {
	name := symbolName(arg)
	if was, ok := c.now.Get(name); ok && was.IsString() {
		return usageError("it is a text: --set %s:= makes it empty, --delete removes its line", name)
	}
	return c.set(name, kconfig.No)
}

func editDelete(_ *kconfigRun, c *kconfigFile, arg string) error {
	c.now.Delete(symbolName(arg))
	return nil
}

// choose selects a member of a choice, and what Kconfig selects with it.
func choose(c *kconfigFile, choice []member, m member) error {
	c.ask(m.symbol)
	if err := c.now.Choose(m.symbol, symbolsOf(choice)...); err != nil {
		return err
	}
	if strings.HasPrefix(m.symbol, "MODULE_SIG_SHA") {
		if err := c.now.Set("MODULE_SIG_HASH", kconfig.String(m.word)); err != nil {
			return err
		}
	}
	return c.buildIn(m.needs)
}

// buildIn has the kernel do without loading a module for an algorithm. One that the
// file does not name may be none of this kernel's.
func (c *kconfigFile) buildIn(algorithm string) error {
	if algorithm != "" && c.now.Has(algorithm) && !c.is(algorithm) {
		return c.set(algorithm, kconfig.Yes)
	}
	return nil
}

// buildInKey is buildIn for a key that is trusted. Of these algorithms Kconfig selects
// RSA alone; another one is asked of the source tree, which may not know it.
func (c *kconfigFile) buildInKey(algorithm string) error {
	if algorithm != "" && algorithm != "CRYPTO_RSA" && c.source != "" && !c.is(algorithm) {
		return c.set(algorithm, kconfig.Yes)
	}
	return c.buildIn(algorithm)
}

func editSigHash(_ *kconfigRun, c *kconfigFile, arg string) error {
	choice := choices[0]
	word := strings.ReplaceAll(strings.ToLower(arg), "_", "-")
	i := slices.Index(wordsOf(choice), word)
	if i < 0 {
		return usageError("there is no such hash, want %s", strings.Join(wordsOf(choice), ", "))
	}
	// These symbols depend on nothing but the choice: all are there or none.
	if !c.now.Has(choice[i].symbol) && slices.ContainsFunc(symbolsOf(choice), c.now.Has) && c.source == "" {
		return &codeError{exitFinding, fmt.Errorf("the file names other hashes, but not CONFIG_%s: the kernel does not have it (--source can tell)", choice[i].symbol)}
	}
	return choose(c, choice, choice[i])
}

func editKeyType(_ *kconfigRun, c *kconfigFile, arg string) error {
	choice := choices[1]
	i := slices.Index(wordsOf(choice), strings.ReplaceAll(strings.ToLower(arg), "_", "-"))
	if i < 0 {
		return usageError("there is no such type, want %s", strings.Join(wordsOf(choice), ", "))
	}
	return choose(c, choice, choice[i])
}

// editCompress knows the two forms of the choice: up to Linux 6.11 "none" is a
// member, since then MODULE_COMPRESS switches it.
func editCompress(_ *kconfigRun, c *kconfigFile, arg string) error {
	choice := choices[2]
	i := slices.Index(wordsOf(choice), strings.ToLower(arg))
	if i < 0 {
		return usageError("there is no such form, want %s", strings.Join(wordsOf(choice), ", "))
	}
	const master = "MODULE_COMPRESS"
	if c.now.Has("MODULE_COMPRESS_NONE") && !c.now.Has(master) {
		return choose(c, choice, choice[i])
	}
	if choice[i].word == "none" {
		for _, name := range append(symbolsOf(choice), "MODULE_COMPRESS_ALL", "MODULE_DECOMPRESS") {
			c.now.Delete(name) // they depend on it: Kconfig writes none of them
		}
		return c.set(master, kconfig.No)
	}
	if err := c.set(master, kconfig.Yes); err != nil {
		return err
	}
	if err := choose(c, choice[1:], choice[i]); err != nil {
		return err
	}
	return c.set("MODULE_COMPRESS_ALL", kconfig.Yes)
}

// editHashes switches MODULE_HASHES on, what Kconfig does not allow with it off,
// and the key away that the build would make: such a build has none.
func editHashes(c *kconfigFile) error {
	if v, ok := c.now.Get("MODULES"); ok && v != kconfig.Yes {
		return &codeError{exitFinding, errors.New("the kernel has no modules: CONFIG_MODULES is not y")}
	}
	if c.is("IMA_APPRAISE_MODSIG") {
		if err := c.set("IMA_APPRAISE_MODSIG", kconfig.No); err != nil {
			return err
		}
	}
	if err := c.set("MODULE_HASHES", kconfig.Yes); err != nil {
		return err
	}
	if !c.is("MODULE_SIG") {
		// Kconfig has neither of the other two then.
		for _, name := range []string{"MODULE_SIG_ALL", sigKey} {
			c.now.Delete(name)
		}
		return nil
	}
	if err := c.set("MODULE_SIG_ALL", kconfig.No); err != nil {
		return err
	}
	if v, ok := c.now.Get(sigKey); !ok || v.Text() == defaultSigKey {
		return c.set(sigKey, kconfig.String(""))
	}
	return nil
}
