// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"fmt"
	"slices"
	"strings"
)

// Set gives a symbol a value, as Kconfig would write it. If the last line that
// names the symbol says so already, nothing is changed.
//
// Otherwise that line is replaced where it stands, whether it says a value, "is
// not set" or something that Kconfig cannot read; its line end, and every other
// line, stay as they are. A symbol that no line names gets a new line: behind the nearest of those that Kconfig writes before
// it, or else before the nearest of those that it writes after it, as far as
// this package knows them (the symbols of modules, their signatures and
// certificates), or else at the end. A missing line end of the last line is
// added if a line has to go behind it.
//
// Whether the kernel knows the symbol, and whether Kconfig's dependencies let it
// have the value, cannot be known without the kernel's source.
//
// The error wraps [ErrInvalid].
func (f *File) Set(name string, v Value) error {
	return f.set(name, v, nil)
}

func (f *File) set(name string, v Value, group []string) error {
	if !ValidName(name) {
		return fmt.Errorf("symbol %s %w: only letters, digits and _ make a name, without %s", shorten(name), ErrInvalid, prefix)
	}
	if !v.valid() {
		return fmt.Errorf("value %s of %s%s %w: it must be y, m, n, a number or a quoted string of one line", shorten(string(v)), prefix, name, ErrInvalid)
	}
	if s := f.symbols[name]; s.value == v && s.line == s.lastLine {
		return nil
	}
	line := prefix + name + "=" + string(v)
	if v == No {
		line = "# " + prefix + name + " is not set"
	}
	text := f.text
	if s, ok := f.symbols[name]; ok {
		text = text[:s.last.start] + line + text[s.last.end:]
	} else {
		text = f.insert(f.place(name, group), line)
	}
	if len(text) > MaxSize {
		return fmt.Errorf("value of %s%s %w: the file would have more than %d bytes", prefix, name, ErrInvalid, MaxSize)
	}
	f.index(text)
	return nil
}

// Unset gives a bool or tristate symbol the value n: it is [File.Set] with [No].
func (f *File) Unset(name string) error { return f.Set(name, No) }

// Delete removes every line that names a symbol, so that Kconfig's default
// counts. Most symbols that are to be off need [File.Unset] instead.
func (f *File) Delete(name string) {
	if !f.Has(name) {
		return
	}
	var b strings.Builder
	for s := range f.lines() {
		if parseLine(f.text[s.start:s.end]).name != name {
			b.WriteString(f.text[s.start:s.next])
		}
	}
	f.index(b.String())
}

// Choose selects one member of a choice, such as the hash of signatures: the
// member becomes y, and those of the others that the file names n. A member
// that the file does not name is not added, because the kernel may not know it.
// members are in the order in which Kconfig writes them. The error wraps
// [ErrInvalid].
func (f *File) Choose(member string, members ...string) error {
	for _, m := range members {
		if m == member || !f.Has(m) {
			continue
		}
		if err := f.Unset(m); err != nil {
			return err
		}
	}
	return f.set(member, Yes, members)
}

// menus are symbols in the order in which Kconfig writes them.
// Sources: kernel/module/Kconfig, certs/Kconfig and crypto/Kconfig of Linux 6.1
// to 7.2; for MODULE_HASHES the series that adds it.
var menus = [...][]string{
	{
		"MODULES", "MODULE_FORCE_LOAD", "MODULE_UNLOAD", "MODULE_FORCE_UNLOAD", "MODVERSIONS", "MODULE_SRCVERSION_ALL",
		"MODULE_SIG", "MODULE_HASHES", "MODULE_SIG_FORCE", "MODULE_SIG_ALL",
		"MODULE_SIG_SHA1", "MODULE_SIG_SHA224", "MODULE_SIG_SHA256", "MODULE_SIG_SHA384", "MODULE_SIG_SHA512",
		"MODULE_SIG_SHA3_256", "MODULE_SIG_SHA3_384", "MODULE_SIG_SHA3_512", "MODULE_SIG_HASH",
		"MODULE_COMPRESS", "MODULE_COMPRESS_NONE", "MODULE_COMPRESS_GZIP", "MODULE_COMPRESS_XZ", "MODULE_COMPRESS_ZSTD",
		"MODULE_COMPRESS_ALL", "MODULE_DECOMPRESS", "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", "MODPROBE_PATH",
	},
	{
		"MODULE_SIG_KEY", "MODULE_SIG_KEY_TYPE_RSA", "MODULE_SIG_KEY_TYPE_ECDSA",
		"MODULE_SIG_KEY_TYPE_MLDSA_44", "MODULE_SIG_KEY_TYPE_MLDSA_65", "MODULE_SIG_KEY_TYPE_MLDSA_87",
		"SYSTEM_TRUSTED_KEYRING", "SYSTEM_TRUSTED_KEYS", "SYSTEM_EXTRA_CERTIFICATE", "SYSTEM_EXTRA_CERTIFICATE_SIZE",
		"SECONDARY_TRUSTED_KEYRING", "SECONDARY_TRUSTED_KEYRING_SIGNED_BY_BUILTIN",
		"SYSTEM_BLACKLIST_KEYRING", "SYSTEM_BLACKLIST_HASH_LIST", "SYSTEM_REVOCATION_LIST", "SYSTEM_REVOCATION_KEYS",
		"SYSTEM_BLACKLIST_AUTH_UPDATE",
	},
	{"CRYPTO_RSA", "CRYPTO_DH", "CRYPTO_ECC", "CRYPTO_ECDH", "CRYPTO_ECDSA", "CRYPTO_ECRDSA", "CRYPTO_MLDSA"},
	{"CRYPTO_SHA1", "CRYPTO_SHA256", "CRYPTO_SHA512", "CRYPTO_SHA3"},
}

// place finds where a symbol's new line goes, as an offset.
func (f *File) place(name string, group []string) int {
	for _, menu := range append([][]string{group}, menus[:]...) {
		i := slices.Index(menu, name)
		if i < 0 {
			continue
		}
		for _, before := range slices.Backward(menu[:i]) {
			if s, ok := f.symbols[before]; ok {
				return s.last.next
			}
		}
		for _, after := range menu[i+1:] {
			if s, ok := f.symbols[after]; ok {
				return s.last.start
			}
		}
	}
	return len(f.text)
}

// insert returns the text with a new line, ended as the line before it.
func (f *File) insert(at int, line string) string {
	before, after := f.text[:at], f.text[at:]
	eol := "\n"
	if i := strings.IndexByte(f.text, '\n'); i > 0 && f.text[i-1] == '\r' {
		eol = "\r\n" // the first line of the file decides if there is no line before
	}
	switch {
	case strings.HasSuffix(before, "\r\n"):
		eol = "\r\n"
	case strings.HasSuffix(before, "\n"):
		eol = "\n"
	case before != "":
		before += eol
	}
	return before + line + eol + after
}
