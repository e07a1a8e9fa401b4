// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
)

// lost says why Kconfig would drop what was asked for, as far as it follows from
// options about modules; "" if it would not. A fragment, which does not name
// what its options depend on, is not judged.
func lost(c *kconfigFile, name string) string {
	v, ok := c.now.Get(name)
	switch _, version := c.now.Version(); {
	case version == "" || !ok:
		return ""
	case v != kconfig.No:
		return hidden(c, name)
	case name == "MODULE_SIG" && c.is("SECURITY_LOCKDOWN_LSM") && !c.is("MODULE_HASHES"):
		return "CONFIG_SECURITY_LOCKDOWN_LSM selects it"
	}
	return ""
}

// withoutHidden takes the lines away that edits have added to say that something is
// not set which Kconfig would not have anyway: it writes none of them.
func (c *kconfigFile) withoutHidden() {
	_, version := c.now.Version()
	for _, name := range c.asked {
		if v, ok := c.now.Get(name); version != "" && ok && v == kconfig.No && !c.old.Has(name) && hidden(c, name) != "" {
			c.now.Delete(name)
		}
	}
}

// hidden says why Kconfig does not have an option by what others are, "" if it does.
func hidden(c *kconfigFile, name string) string {
	if strings.HasPrefix(name, "MODULE_") || name == "MODVERSIONS" || name == "MODPROBE_PATH" {
		if !c.is("MODULES") {
			return "it needs CONFIG_MODULES=y"
		}
		return lostModules(c, name)
	}
	return lostKeyrings(c, name)
}

// need says what is needed, unless it is there.
func need(ok bool, what string) string {
	if ok {
		return ""
	}
	return "it needs " + what
}

// lostModules is about the options of modules, in a kernel that has modules. Source:
// kernel/module/Kconfig and certs/Kconfig of Linux 6.1 to 7.2, and the series that
// adds MODULE_HASHES.
func lostModules(c *kconfigFile, name string) string {
	signs := c.is("MODULE_SIG") || c.is("IMA_APPRAISE_MODSIG")
	switch {
	case name == "MODULE_SIG_FORCE":
		return need(c.is("MODULE_SIG") || c.is("MODULE_HASHES"), "CONFIG_MODULE_SIG=y or CONFIG_MODULE_HASHES=y")
	case name == "MODULE_SIG_KEY_TYPE_ECDSA" && !c.old.Has(name) && (c.is("MODULE_SIG_SHA256") || c.is("MODULE_SIG_SHA3_256")):
		return "this kernel has it only with a hash of more than 256 bits (--sig-hash sha512)"
	case strings.HasPrefix(name, "MODULE_SIG_KEY_TYPE_MLDSA_") && !c.old.Has(name) && before(c.now, 7):
		return "Linux has it from version 7.0 on"
	case strings.HasPrefix(name, "MODULE_SIG_KEY_TYPE_MLDSA_") && !c.old.Has(name) && c.old.Has("MODULE_SIG_KEY_TYPE_RSA"):
		return "it needs an OpenSSL that knows ML-DSA (3.5 or later) where Kconfig runs; \"make olddefconfig\" then writes a line for it"
	case name == "MODULE_SIG_ALL", name == sigKey, strings.HasPrefix(name, "MODULE_SIG_SHA"), strings.HasPrefix(name, "MODULE_SIG_KEY_TYPE_"):
		return need(signs, "CONFIG_MODULE_SIG=y")
	case name == "MODULE_HASHES":
		all, set := c.now.Get("MODULE_SIG_ALL")
		if signs && (!set || all == kconfig.Yes) {
			return "it cannot be together with CONFIG_MODULE_SIG_ALL (--hashes switches that off)"
		}
		return need(!c.is("IMA_APPRAISE_MODSIG"), "CONFIG_IMA_APPRAISE_MODSIG to be off (--hashes switches it off)")
	case name == "MODULE_DECOMPRESS":
		return need(c.is("MODULE_COMPRESS_GZIP") || c.is("MODULE_COMPRESS_XZ") || c.is("MODULE_COMPRESS_ZSTD"), "a compression (--compress)")
	}
	return ""
}

// lostKeyrings is about keyrings and the algorithms of keys and hashes. What checks
// signatures of modules selects SYSTEM_DATA_VERIFICATION (init/Kconfig), and with it
// all that keyrings need.
func lostKeyrings(c *kconfigFile, name string) string {
	verifies := c.is("SYSTEM_DATA_VERIFICATION") || c.is("MODULES") && (c.is("MODULE_SIG") || c.is("IMA_APPRAISE_MODSIG"))
	parses := c.is("KEYS") && c.is("ASYMMETRIC_KEY_TYPE") && c.is("X509_CERTIFICATE_PARSER")
	const signature = "CONFIG_MODULE_SIG=y, or another user of signatures"
	switch {
	case name == "SYSTEM_TRUSTED_KEYRING":
		return need(verifies || parses, signature)
	case name == trustedKeys, strings.HasPrefix(name, "SYSTEM_EXTRA_CERTIFICATE"), name == "SECONDARY_TRUSTED_KEYRING":
		return need(c.is("SYSTEM_TRUSTED_KEYRING"), "CONFIG_SYSTEM_TRUSTED_KEYRING=y")
	case name == "SYSTEM_BLACKLIST_KEYRING":
		return need(verifies || c.is("KEYS"), "CONFIG_KEYS=y")
	case name == "SYSTEM_REVOCATION_LIST":
		return need(c.is("SYSTEM_BLACKLIST_KEYRING") && (verifies || c.is("PKCS7_MESSAGE_PARSER")), "CONFIG_SYSTEM_BLACKLIST_KEYRING=y and "+signature)
	case name == revokedKeys:
		return need(c.is("SYSTEM_REVOCATION_LIST"), "CONFIG_SYSTEM_REVOCATION_LIST=y")
	case slices.ContainsFunc(slices.Concat(choices[0], choices[1]), func(m member) bool { return m.needs == name }):
		return need(verifies || c.is("CRYPTO"), "CONFIG_CRYPTO=y")
	}
	return ""
}

// before reports whether a file was written by a Linux of a lower major version.
func before(f *kconfig.File, major int) bool {
	_, version := f.Version()
	first, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(first)
	return err == nil && n < major
}
