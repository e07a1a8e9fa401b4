// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/modhash/modhash/kbuild/kconfig"
)

func parse(t testing.TB, text string) *kconfig.File {
	t.Helper()
	f, err := kconfig.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fixed is an environment in which nothing is left to chance.
var fixed = Env{
	Timestamp: "@1767225600", User: "builder", Host: "host", Version: "1",
	KCFLAGS: "-O2 -fdebug-prefix-map=/build=. -frandom-seed=0", KAFLAGS: "-ffile-prefix-map=/build=.", KRUSTFLAGS: "--remap-path-prefix=/build=.",
}

func with(change func(*Env)) *Env {
	e := fixed
	change(&e)
	return &e
}

const (
	signed = "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\n" // two lines
	hashed = "CONFIG_MODULES=y\nCONFIG_MODULE_HASHES=y\n"
)

// Each case is about one rule; want is its findings as "severity symbol line",
// or "unknown", and "" for none.
var cases = []struct {
	rule, config string
	env          *Env
	tree         *Tree
	in           Input // further facts
	want         string
}{
	{"config-line", "CONFIG_A=y\n", &fixed, nil, Input{}, ""},
	{"config-line", "CONFIG_A=y\nCONFIG_A=m\n", &fixed, nil, Input{}, "warning CONFIG_A 2"},
	{"config-line", "\nhello\nCONFIG_B=\"\n", &fixed, nil, Input{}, "warning  2; warning CONFIG_B 3"},

	{"throwaway-key", signed, &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_KEY 0"},
	{"throwaway-key", signed + `CONFIG_MODULE_SIG_KEY="certs/signing_key.pem"`, &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_KEY 3"},
	{"throwaway-key", "CONFIG_IMA_APPRAISE_MODSIG=y\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_KEY 0"},
	{"throwaway-key", signed + "CONFIG_MODULE_HASHES=y\n# CONFIG_MODULE_SIG_ALL is not set\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_KEY 0"},
	{"throwaway-key", signed + `CONFIG_MODULE_SIG_KEY="certs/signing_key.pem`, &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_KEY 0"}, // unterminated: the default counts
	{"throwaway-key", signed + `CONFIG_MODULE_SIG_KEY=""`, &fixed, nil, Input{}, ""},
	{"throwaway-key", signed + `CONFIG_MODULE_SIG_KEY="./certs/signing_key.pem"`, &fixed, nil, Input{}, ""},
	{"throwaway-key", signed + `CONFIG_MODULE_SIG_KEY="pkcs11:token=x"`, &fixed, nil, Input{}, ""},
	{"throwaway-key", hashed, &fixed, nil, Input{}, ""},
	{"throwaway-key", "# CONFIG_MODULES is not set\nCONFIG_IMA_APPRAISE_MODSIG=y\n", &fixed, nil, Input{}, ""},

	{"key-pin", `CONFIG_MODULE_SIG_KEY="pkcs11:token=x?pin-value=1234"` + "\n# pin-value=1\n#Pin-Value=\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_KEY 1; error  2; error  3"},
	{"key-pin", `CONFIG_MODULE_SIG_KEY="pkcs11:token=x?pin-source=file:/run/pin"`, &fixed, nil, Input{}, ""},

	{"key-path", `CONFIG_MODULE_SIG_KEY="/k.pem"` + "\n" + `CONFIG_SYSTEM_TRUSTED_KEYS="/c.pem"`, &fixed, nil, Input{}, "warning CONFIG_MODULE_SIG_KEY 1; warning CONFIG_SYSTEM_TRUSTED_KEYS 2"},
	{"key-path", `CONFIG_MODULE_SIG_KEY="certs/k.pem"` + "\n" + `CONFIG_SYSTEM_TRUSTED_KEYS=""`, &fixed, nil, Input{}, ""},

	{"sign-needs-key", signed + "CONFIG_MODULE_SIG_KEY=\"certs/mine.pem\"\nCONFIG_MODULE_SIG_ALL=y\n", &fixed, nil, Input{}, "warning CONFIG_MODULE_SIG_ALL 4"},
	{"sign-needs-key", signed + "CONFIG_MODULE_SIG_KEY=\"certs/mine.pem\"\n", &fixed, nil, Input{}, "warning CONFIG_MODULE_SIG_ALL 0"},
	{"sign-needs-key", signed + "CONFIG_MODULE_SIG_KEY=\"certs/mine.pem\"\n# CONFIG_MODULE_SIG_ALL is not set\n", &fixed, nil, Input{}, ""},
	{"sign-needs-key", signed + "CONFIG_MODULE_SIG_KEY=\"\"\nCONFIG_MODULE_SIG_ALL=y\n", &fixed, nil, Input{}, ""},

	{"sign-without-key", signed + "CONFIG_MODULE_SIG_KEY=\"\"\nCONFIG_MODULE_SIG_ALL=y\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_ALL 4"},
	{"sign-without-key", signed + "CONFIG_MODULE_SIG_KEY=\"\"\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_ALL 0"},
	{"sign-without-key", signed + "CONFIG_MODULE_SIG_KEY=\"\"\n# CONFIG_MODULE_SIG_ALL is not set\n", &fixed, nil, Input{}, ""},
	{"sign-without-key", signed + "CONFIG_MODULE_SIG_ALL=y\n", &fixed, nil, Input{}, ""},

	{"no-authentication", "CONFIG_MODULES=y\n# CONFIG_MODULE_SIG is not set\n", &fixed, nil, Input{}, "warning CONFIG_MODULE_SIG 2"},
	{"no-authentication", signed, &fixed, nil, Input{}, ""},
	{"no-authentication", hashed, &fixed, nil, Input{}, ""},
	{"no-authentication", "# CONFIG_MODULES is not set\n", &fixed, nil, Input{}, ""},

	{"no-hashes", signed, &fixed, nil, Input{}, "note CONFIG_MODULE_HASHES 0"},
	{"no-hashes", hashed, &fixed, nil, Input{}, ""},

	{"not-enforced", hashed, &fixed, nil, Input{}, "note CONFIG_MODULE_SIG_FORCE 0"},
	{"not-enforced", hashed + "CONFIG_MODULE_SIG_FORCE=y\n", &fixed, nil, Input{}, ""},

	{"hashes-sig-all", signed + "CONFIG_MODULE_HASHES=y\nCONFIG_MODULE_SIG_ALL=y\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_ALL 4"},
	{"hashes-sig-all", signed + "CONFIG_MODULE_HASHES=y\n", &fixed, nil, Input{}, "error CONFIG_MODULE_SIG_ALL 0"},
	{"hashes-sig-all", signed + "CONFIG_MODULE_HASHES=y\n# CONFIG_MODULE_SIG_ALL is not set\n", &fixed, nil, Input{}, ""},
	{"hashes-sig-all", hashed, &fixed, nil, Input{}, ""},
	{"hashes-sig-all", signed + "CONFIG_MODULE_SIG_ALL=y\n", &fixed, nil, Input{}, ""},

	{"hashes-modsig", hashed + "CONFIG_IMA_APPRAISE_MODSIG=y\n", &fixed, nil, Input{}, "error CONFIG_IMA_APPRAISE_MODSIG 3"},
	{"hashes-modsig", hashed + "# CONFIG_IMA_APPRAISE_MODSIG is not set\n", &fixed, nil, Input{}, ""},
	{"hashes-modsig", signed + "CONFIG_IMA_APPRAISE_MODSIG=y\n", &fixed, nil, Input{}, ""},

	{"sig-hash-builtin", signed + "CONFIG_MODULE_SIG_HASH=\"sha512\"\nCONFIG_CRYPTO_SHA512=m\n", &fixed, nil, Input{}, "error CONFIG_CRYPTO_SHA512 4"},
	{"sig-hash-builtin", signed + "CONFIG_MODULE_SIG_SHA3_256=y\n", &fixed, nil, Input{}, "error CONFIG_CRYPTO_SHA3 0"},
	{"sig-hash-builtin", signed + "CONFIG_MODULE_SIG_SHA384=y\nCONFIG_MODULE_SIG_HASH=\"sha256\"\nCONFIG_CRYPTO_SHA256=y\nCONFIG_CRYPTO_SHA512=m\n", &fixed, nil, Input{}, "error CONFIG_CRYPTO_SHA512 6"},
	{"sig-hash-builtin", signed + "CONFIG_MODULE_SIG_HASH=\"sha256\"\nCONFIG_CRYPTO_SHA256=y\n", &fixed, nil, Input{SigHash: "SHA3-512"}, "error CONFIG_CRYPTO_SHA3 0"},
	{"sig-hash-builtin", signed + "CONFIG_MODULE_SIG_HASH=\"sha256\"\nCONFIG_CRYPTO_SHA256=y\n", &fixed, nil, Input{}, ""},
	{"sig-hash-builtin", signed, &fixed, nil, Input{}, "unknown"},
	{"sig-hash-builtin", signed + "CONFIG_MODULE_SIG_HASH=\"md6\"\n", &fixed, nil, Input{}, "unknown"},
	{"sig-hash-builtin", hashed, &fixed, nil, Input{}, ""},

	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y\nCONFIG_CRYPTO_ECDSA=m\nCONFIG_CRYPTO_RSA=y\n", &fixed, nil, Input{}, "error CONFIG_CRYPTO_ECDSA 4"},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY_TYPE_MLDSA_65=y\n", &fixed, nil, Input{}, "error CONFIG_CRYPTO_MLDSA 0"},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY_TYPE_RSA=y\nCONFIG_CRYPTO_RSA=y\n", &fixed, nil, Input{SigKey: "ecdsa"}, "error CONFIG_CRYPTO_ECDSA 0"},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY_TYPE_RSA=y\nCONFIG_CRYPTO_RSA=y\n", &fixed, nil, Input{}, ""},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY=\"\"\nCONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_ECDSA=y\n", &fixed, nil, Input{}, ""},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY=\"\"\nCONFIG_CRYPTO_RSA=y\n", &fixed, nil, Input{}, "note CONFIG_MODULE_SIG_KEY 3"},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY=\"\"\nCONFIG_CRYPTO_RSA=m\n", &fixed, nil, Input{}, "error CONFIG_CRYPTO_RSA 4"},
	{"sig-key-builtin", signed + "CONFIG_MODULE_SIG_KEY=\"certs/mine.pem\"\nCONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y\nCONFIG_CRYPTO_RSA=y\n", &fixed, nil, Input{}, "note CONFIG_MODULE_SIG_KEY 3"},
	{"sig-key-builtin", signed, &fixed, nil, Input{SigKey: "dsa"}, "unknown"},
	{"sig-key-builtin", hashed, &fixed, nil, Input{}, ""},

	{"no-decompress", "CONFIG_MODULE_COMPRESS=y\nCONFIG_MODULE_COMPRESS_XZ=y\n# CONFIG_MODULE_DECOMPRESS is not set\n", &fixed, nil, Input{}, "warning CONFIG_MODULE_DECOMPRESS 3"},
	{"no-decompress", "CONFIG_MODULE_COMPRESS_NONE=y\n", &fixed, nil, Input{Compressions: []string{"zstd"}}, "warning CONFIG_MODULE_DECOMPRESS 0"},
	{"no-decompress", "CONFIG_MODULE_COMPRESS_XZ=y\nCONFIG_MODULE_DECOMPRESS=y\n", &fixed, nil, Input{}, ""},
	{"no-decompress", "CONFIG_MODULE_COMPRESS_NONE=y\n", &fixed, nil, Input{}, ""},

	{"decompress-other", "CONFIG_MODULE_COMPRESS_XZ=y\nCONFIG_MODULE_DECOMPRESS=y\n", &fixed, nil, Input{Compressions: []string{"zstd", "xz", "zstd"}}, "error CONFIG_MODULE_COMPRESS_ZSTD 0"},
	{"decompress-other", "CONFIG_MODULE_COMPRESS_XZ=y\nCONFIG_MODULE_DECOMPRESS=y\n", &fixed, nil, Input{Compressions: []string{"brotli"}}, "unknown"},
	{"decompress-other", "CONFIG_MODULE_COMPRESS_XZ=y\nCONFIG_MODULE_DECOMPRESS=y\n", &fixed, nil, Input{Compressions: []string{"xz"}}, ""},
	{"decompress-other", "CONFIG_MODULE_COMPRESS_XZ=y\n", &fixed, nil, Input{Compressions: []string{"zstd"}}, ""},

	{"strip-mismatch", hashed + "CONFIG_MODULE_INSTALL_STRIP=\"1\"\n", &fixed, nil, Input{}, "error CONFIG_MODULE_INSTALL_STRIP 3"},
	{"strip-mismatch", hashed + "CONFIG_MODULE_INSTALL_STRIP=\"\"\n", with(func(e *Env) { e.InstallModStrip = "1" }), nil, Input{}, "error CONFIG_MODULE_INSTALL_STRIP 3"},
	{"strip-mismatch", hashed, with(func(e *Env) { e.InstallModStrip = "--strip-all" }), nil, Input{}, "error CONFIG_MODULE_INSTALL_STRIP 0"},
	{"strip-mismatch", hashed + "CONFIG_MODULE_INSTALL_STRIP=\"1\"\n", with(func(e *Env) { e.InstallModStrip = "1" }), nil, Input{}, ""},
	{"strip-mismatch", hashed, &fixed, nil, Input{}, ""},
	{"strip-mismatch", signed, with(func(e *Env) { e.InstallModStrip = "1" }), nil, Input{}, ""},
	{"strip-mismatch", hashed, nil, nil, Input{}, "unknown"},

	{"build-timestamp", "", with(func(e *Env) { e.Timestamp = "" }), nil, Input{}, "error KBUILD_BUILD_TIMESTAMP 0"},
	{"build-timestamp", "", with(func(e *Env) { e.Timestamp = " " }), nil, Input{}, "error KBUILD_BUILD_TIMESTAMP 0"},
	{"build-timestamp", "", with(func(e *Env) { e.Timestamp = "yesterday 12:00 UTC" }), nil, Input{}, "error KBUILD_BUILD_TIMESTAMP 0"},
	{"build-timestamp", "", &fixed, nil, Input{}, ""},
	{"build-timestamp", "", with(func(e *Env) { e.Timestamp = "Sun Nov 22 09:33:00 UTC 2026" }), nil, Input{}, ""},
	{"build-timestamp", "", nil, nil, Input{}, "unknown"},

	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "2026-11-22 09:33:00" }), nil, Input{}, "warning KBUILD_BUILD_TIMESTAMP 0"},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "Sun Nov 22 09:33:00 2026" }), nil, Input{}, "warning KBUILD_BUILD_TIMESTAMP 0"},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "2026-11-22" }), nil, Input{}, "warning KBUILD_BUILD_TIMESTAMP 0"},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "Sun Nov 22 09:33:00 UTC 2026" }), nil, Input{}, ""},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "Sat Oct 10 09:33:00 2026" }), nil, Input{}, "warning KBUILD_BUILD_TIMESTAMP 0"},
	{"timestamp-form", "", with(func(e *Env) { e.Timestamp = "#1 SMP Debian 6.12.117-1 (2026-11-14)" }), nil, Input{}, "warning KBUILD_BUILD_TIMESTAMP 0"},
	{"timestamp-form", "CONFIG_BLK_DEV_INITRD=y\n", with(func(e *Env) { e.Timestamp = "1767225600" }), nil, Input{}, "warning KBUILD_BUILD_TIMESTAMP 0"},
	{"timestamp-form", "# CONFIG_BLK_DEV_INITRD is not set\n", with(func(e *Env) { e.Timestamp = "some time" }), nil, Input{}, ""},
	{"timestamp-form", "", &fixed, nil, Input{}, ""},
	{"timestamp-form", "", with(func(e *Env) { e.Timestamp = "now" }), nil, Input{}, ""},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "Sun, 22 Nov 2026 09:33:00 +0100" }), nil, Input{}, ""},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "2026-11-22 09:33 CEST" }), nil, Input{}, ""},
	{"timestamp-zone", "", &fixed, nil, Input{}, ""},
	{"timestamp-zone", "", with(func(e *Env) { e.Timestamp = "" }), nil, Input{}, ""},

	{"build-user", "", with(func(e *Env) { e.User = "" }), nil, Input{}, "error KBUILD_BUILD_USER 0"},
	{"build-user", "", &fixed, nil, Input{}, ""},
	{"build-user", "", nil, nil, Input{}, "unknown"},
	{"build-host", "", with(func(e *Env) { e.Host = "" }), nil, Input{}, "error KBUILD_BUILD_HOST 0"},
	{"build-host", "", &fixed, nil, Input{}, ""},
	{"build-host", "", nil, nil, Input{}, "unknown"},
	{"build-version", "", with(func(e *Env) { e.Version = "" }), nil, Input{}, "warning KBUILD_BUILD_VERSION 0"},
	{"build-version", "", with(func(e *Env) { e.Version = "" }), &Tree{BuildVersion: "3"}, Input{}, "error KBUILD_BUILD_VERSION 0"},
	{"build-version", "", &fixed, &Tree{BuildVersion: "3"}, Input{}, ""},
	{"build-version", "", nil, nil, Input{}, "unknown"},

	{"localversion-auto", "CONFIG_LOCALVERSION_AUTO=y\n", &fixed, nil, Input{}, "warning CONFIG_LOCALVERSION_AUTO 1"},
	{"localversion-auto", "# CONFIG_LOCALVERSION_AUTO is not set\n", &fixed, nil, Input{}, ""},

	{"initramfs-mtime", "CONFIG_INITRAMFS_SOURCE=\"initramfs\"\n", with(func(e *Env) { e.Timestamp = "" }), nil, Input{}, "error CONFIG_INITRAMFS_SOURCE 1"},
	{"initramfs-mtime", "CONFIG_INITRAMFS_SOURCE=\"initramfs\"\n", &fixed, nil, Input{}, ""},
	{"initramfs-mtime", "CONFIG_INITRAMFS_SOURCE=\"initramfs\"\n", nil, nil, Input{}, "unknown"},
	{"initramfs-mtime", "CONFIG_INITRAMFS_SOURCE=\"\"\n", with(func(e *Env) { e.Timestamp = "" }), nil, Input{}, ""},

	{"ikheaders", "CONFIG_IKHEADERS=m\n", with(func(e *Env) { e.Timestamp = "" }), nil, Input{}, "error CONFIG_IKHEADERS 1"},
	{"ikheaders", "CONFIG_IKHEADERS=y\n", &fixed, nil, Input{}, "note CONFIG_IKHEADERS 1"},
	{"ikheaders", "CONFIG_IKHEADERS=y\n", nil, nil, Input{}, "unknown"},
	{"ikheaders", "# CONFIG_IKHEADERS is not set\n", with(func(e *Env) { e.Timestamp = "" }), nil, Input{}, ""},

	{"randstruct-seed", "CONFIG_RANDSTRUCT_FULL=y\n", &fixed, nil, Input{}, "error CONFIG_RANDSTRUCT_FULL 1"},
	{"randstruct-seed", "CONFIG_GCC_PLUGIN_RANDSTRUCT=y\n", &fixed, &Tree{}, Input{}, "error CONFIG_GCC_PLUGIN_RANDSTRUCT 1"},
	{"randstruct-seed", "CONFIG_RANDSTRUCT_PERFORMANCE=y\n", &fixed, &Tree{Seed: "ab"}, Input{}, "error CONFIG_RANDSTRUCT_PERFORMANCE 1"},
	{"randstruct-seed", "CONFIG_RANDSTRUCT=y\n", with(func(e *Env) { e.RandstructSeed = "ab" }), &Tree{Seed: "ab"}, Input{}, "error CONFIG_RANDSTRUCT 1"},
	{"randstruct-seed", "CONFIG_RANDSTRUCT=y\n", &fixed, &Tree{Seed: "ab", SeedKept: true}, Input{}, "error CONFIG_RANDSTRUCT 1"},
	{"randstruct-seed", "CONFIG_RANDSTRUCT=y\n", with(func(e *Env) { e.RandstructSeed = "cd" }), &Tree{Seed: "ab", SeedKept: true}, Input{}, "error CONFIG_RANDSTRUCT 1"},
	{"randstruct-seed", "CONFIG_RANDSTRUCT=y\n", with(func(e *Env) { e.RandstructSeed = "ab\n" }), &Tree{Seed: "ab", SeedKept: true}, Input{}, ""},
	{"randstruct-seed", "CONFIG_RANDSTRUCT=y\n", &fixed, &Tree{SeedFixed: true}, Input{}, ""},
	{"randstruct-seed", "CONFIG_RANDSTRUCT_NONE=y\n", &fixed, nil, Input{}, ""},

	{"latent-entropy", "CONFIG_GCC_PLUGIN_LATENT_ENTROPY=y\n", with(func(e *Env) { e.KCFLAGS = "-frandom-seed=" }), nil, Input{}, "error CONFIG_GCC_PLUGIN_LATENT_ENTROPY 1"},
	{"latent-entropy", "CONFIG_GCC_PLUGIN_LATENT_ENTROPY=y\n", &fixed, nil, Input{}, ""},
	{"latent-entropy", "# CONFIG_GCC_PLUGIN_LATENT_ENTROPY is not set\n", &Env{}, nil, Input{}, ""},
	{"latent-entropy", "CONFIG_GCC_PLUGIN_LATENT_ENTROPY=y\n", nil, nil, Input{}, "unknown"},

	{"pahole-parallel", pahole(124), &fixed, nil, Input{}, "warning CONFIG_PAHOLE_VERSION 2"},
	{"pahole-parallel", pahole(121), &fixed, nil, Input{}, ""},
	{"pahole-parallel", pahole(129), &fixed, nil, Input{}, ""},
	{"pahole-parallel", "# Linux/x86 5.16.1 Kernel Configuration\n" + pahole(124), &fixed, nil, Input{}, ""},
	{"pahole-parallel", "# Linux/x86 5.17.0-rc1 Kernel Configuration\n" + pahole(124), &fixed, nil, Input{}, "warning CONFIG_PAHOLE_VERSION 3"},
	{"pahole-parallel", "CONFIG_PAHOLE_VERSION=124\n", &fixed, nil, Input{}, ""},
	{"pahole-parallel", "CONFIG_DEBUG_INFO_BTF=y\n", &fixed, nil, Input{}, "unknown"},
	{"pahole-parallel", pahole(124), with(func(e *Env) { e.PaholeFlags = "--btf_gen_floats" }), nil, Input{}, ""},
	{"pahole-parallel", pahole(124), with(func(e *Env) { e.PaholeFlags = "-j1" }), nil, Input{}, ""},
	{"pahole-parallel", pahole(124), with(func(e *Env) { e.PaholeFlags = "-j" }), nil, Input{}, "error CONFIG_PAHOLE_VERSION 2"},
	{"pahole-parallel", pahole(126), with(func(e *Env) { e.PaholeFlags = "--jobs=4 --btf_features=+reproducible_build" }), nil, Input{}, "error CONFIG_PAHOLE_VERSION 2"},
	{"pahole-parallel", pahole(127), with(func(e *Env) { e.PaholeFlags = "-j8 --btf_features=+reproducible_build" }), nil, Input{}, ""},
	{"pahole-parallel", pahole(124), &fixed, &Tree{Pahole: paholeScript, PaholeFile: "s"}, Input{}, "error CONFIG_PAHOLE_VERSION 2"},
	{"pahole-parallel", pahole(124), &fixed, &Tree{Pahole: "flags := --btf_gen_floats", PaholeFile: "s"}, Input{}, ""},
	{"pahole-parallel", pahole(124), &fixed, &Tree{Pahole: paholeByTime, PaholeFile: "s"}, Input{}, ""},
	{"pahole-parallel", pahole(127), &fixed, &Tree{Pahole: paholeByTime, PaholeFile: "s"}, Input{}, ""},
	{"pahole-parallel", pahole(126), &fixed, &Tree{Pahole: paholeByTime, PaholeFile: "s"}, Input{}, "error CONFIG_PAHOLE_VERSION 2"},
	{"pahole-parallel", pahole(124), with(func(e *Env) { e.Timestamp = "" }), &Tree{Pahole: paholeByTime, PaholeFile: "s"}, Input{}, "error CONFIG_PAHOLE_VERSION 2"},
	{"pahole-parallel", pahole(124), nil, &Tree{Pahole: paholeByTime, PaholeFile: "s"}, Input{}, "unknown"},

	{"debug-paths", "CONFIG_DEBUG_INFO=y\n", with(func(e *Env) { e.KAFLAGS = "" }), nil, Input{}, "warning CONFIG_DEBUG_INFO 1"},
	{"debug-paths", "CONFIG_DEBUG_INFO_DWARF5=y\n", with(func(e *Env) { e.KCFLAGS = "-fmacro-prefix-map=/build=." }), nil, Input{}, "warning CONFIG_DEBUG_INFO_DWARF5 1"},
	{"debug-paths", "CONFIG_DEBUG_INFO=y\n", &fixed, nil, Input{}, ""},
	{"debug-paths", "CONFIG_DEBUG_INFO_NONE=y\n", &Env{}, nil, Input{}, ""},
	{"debug-paths", "CONFIG_DEBUG_INFO=y\n", nil, nil, Input{}, "unknown"},

	{"rust-paths", "CONFIG_RUST=y\nCONFIG_RUSTC_VERSION=107800\n", &Env{}, nil, Input{}, "warning CONFIG_RUST 1"},
	{"rust-paths", "CONFIG_RUST=y\n", nil, nil, Input{}, "unknown"},
	{"rust-paths", "CONFIG_RUST=y\nCONFIG_RUSTC_VERSION=107800\n", &fixed, nil, Input{}, ""},
	{"rust-paths", "# Linux/x86 7.2.13 Kernel Configuration\nCONFIG_RUST=y\nCONFIG_RUSTC_VERSION=109701\n", &Env{}, nil, Input{}, ""},
	{"rust-paths", "# Linux/x86 6.12.117 Kernel Configuration\nCONFIG_RUST=y\nCONFIG_RUSTC_VERSION=109701\n", &Env{}, nil, Input{}, "warning CONFIG_RUST 2"},
	{"rust-paths", "# CONFIG_RUST is not set\n", &Env{}, nil, Input{}, ""},

	{"debug-efi", "CONFIG_DEBUG_EFI=y\n", &fixed, nil, Input{}, "warning CONFIG_DEBUG_EFI 1"},
	{"debug-efi", "# CONFIG_DEBUG_EFI is not set\n", &fixed, nil, Input{}, ""},
	{"gcov", "CONFIG_GCOV_KERNEL=y\n# CONFIG_GCOV_PROFILE_ALL is not set\n", &fixed, nil, Input{}, ""},
	{"gcov", "CONFIG_GCOV_KERNEL=y\nCONFIG_GCOV_PROFILE_URING=y\n", &fixed, nil, Input{}, "warning CONFIG_GCOV_PROFILE_URING 2"},
	{"gcov", "CONFIG_GCOV_KERNEL=y\nCONFIG_GCOV_PROFILE_ALL=y\nCONFIG_GCOV_PROFILE_URING=y\n", &fixed, nil, Input{}, "warning CONFIG_GCOV_PROFILE_ALL 2"},
	{"gcov", "# CONFIG_GCOV_KERNEL is not set\n", &fixed, nil, Input{}, ""},
}

func pahole(version int) string {
	return fmt.Sprintf("CONFIG_DEBUG_INFO_BTF=y\nCONFIG_PAHOLE_VERSION=%d\n", version)
}

const (
	paholeScript = `	extra_paholeopt="${extra_paholeopt} -j"` + "\n"
	paholeByTime = "ifeq ($(KBUILD_BUILD_TIMESTAMP),)\npahole-flags += -j$(JOBS)\nelse\npahole-flags-$(call test-ge, $(pahole-ver), 127)	+= -j --btf_features=+reproducible_build\nendif\n"
)

// said is what one rule said.
func said(rep *Report, rule string) string {
	var all []string
	for _, f := range rep.Findings {
		if f.Rule == rule {
			all = append(all, fmt.Sprintf("%s %s %d", f.Severity, f.Symbol, f.Line))
		}
	}
	for _, u := range rep.Unknown {
		if u.Rule == rule {
			all = append(all, "unknown")
		}
	}
	return strings.Join(all, "; ")
}

func TestRules(t *testing.T) {
	found, clear := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		in := c.in
		in.Config, in.Env, in.Tree = parse(t, c.config), c.env, c.tree
		rep := Check(&in)
		if got := said(rep, c.rule); got != c.want {
			t.Errorf("%s: %q, env %+v, tree %+v: got %q, want %q", c.rule, c.config, c.env, c.tree, got, c.want)
		}
		if c.want == "" {
			clear[c.rule] = true
		} else if c.want != "unknown" {
			found[c.rule] = true
		}
		for _, f := range rep.Findings {
			if f.Found == "" || f.Why == "" || f.Fix == "" || strings.Contains(f.String(), "%!") {
				t.Errorf("%s: incomplete: %+v", c.rule, f)
			}
		}
	}
	id := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, r := range Rules() {
		if !id.MatchString(r.ID) || r.Why == "" || seen[r.ID] {
			t.Errorf("rule %+v", r)
		}
		seen[r.ID] = true
		if r.check != nil && (!found[r.ID] || !clear[r.ID]) {
			t.Errorf("%s: found in a test: %v, not found in another: %v", r.ID, found[r.ID], clear[r.ID])
		}
	}
}

// TestClean is a configuration in which nothing is to be found.
func TestClean(t *testing.T) {
	b, err := os.ReadFile("testdata/clean.config")
	if err != nil {
		t.Fatal(err)
	}
	rep := Check(&Input{Config: parse(t, string(b)), Env: with(func(e *Env) { e.InstallModStrip = "1" }), Tree: &Tree{SeedFixed: true}, SigHash: "sha512", SigKey: "ecdsa", Compressions: []string{"zstd"}})
	if len(rep.Findings)+len(rep.Unknown) != 0 || rep.Worst() != "" {
		t.Errorf("%v\n%v", rep.Findings, rep.Unknown)
	}
}

// TestReal looks at configurations of distribution kernels, which lack the lines
// about keys.
func TestReal(t *testing.T) {
	for name, want := range map[string][]string{
		"config-6.1.0-56-amd64":       {"throwaway-key", "no-hashes", "not-enforced", "pahole-parallel"},
		"config-6.12.117+deb12-amd64": {"throwaway-key", "no-hashes", "not-enforced", "pahole-parallel"},
		"config-7.2.13+deb14-amd64":   {"throwaway-key", "no-hashes", "not-enforced"},
	} {
		f, err := os.Open("../kconfig/testdata/real/" + name + ".gz")
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		rep := Check(&Input{Config: parse(t, string(text)), Env: &fixed})
		var got []string
		for _, f := range rep.Findings {
			got = append(got, f.Rule)
		}
		if d := cmp.Diff(want, got); d != "" || len(rep.Unknown) != 0 || rep.Worst() != Error {
			t.Errorf("%s: (-want +got)\n%s%v", name, d, rep.Unknown)
		}
		rep = Check(&Input{Config: parse(t, string(text))})
		if said(rep, "build-timestamp") != "unknown" {
			t.Errorf("%s: %v", name, rep.Unknown)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTimestamps compares with what date(1) makes of times.
func TestTimestamps(t *testing.T) {
	b, err := os.ReadFile("testdata/timestamps.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			t.Fatalf("%q", line)
		}
		var want []string
		switch {
		case f[2] == "20260101 000000": // looks like a time: let pass
		case f[0] == "now":
			want = []string{"build-timestamp"}
		case f[0] == "-":
			want = []string{"timestamp-form"}
		case f[0] != f[1]:
			want = []string{"timestamp-zone"}
		}
		rep := Check(&Input{Config: parse(t, ""), Env: with(func(e *Env) { e.Timestamp = f[2] })})
		var got []string
		for _, x := range rep.Findings {
			if x.Symbol == "KBUILD_BUILD_TIMESTAMP" && !(f[0] == "-" && x.Rule == "timestamp-zone") {
				got = append(got, x.Rule)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", f[2], d)
		}
	}
	if n < 40 {
		t.Fatalf("%d lines", n)
	}
}

// TestPahole takes the flags that a kernel's makefile really gives: the rule must
// say the same of them as of a makefile that has the build's time decide.
func TestPahole(t *testing.T) {
	b, err := os.ReadFile("testdata/pahole-flags.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		var v int
		var when string
		if _, err := fmt.Sscan(line, &v, &when); err != nil {
			t.Fatal(err)
		}
		flags := strings.SplitN(strings.TrimSpace(line), " ", 3)[2]
		env := Env{}
		if when == "timestamp" {
			env.Timestamp = "@1"
		}
		threads := strings.Contains(" "+flags, " -j")
		want := ""
		if threads && v < 129 && (v < 127 || !strings.Contains(flags, "reproducible_build")) {
			want = "error CONFIG_PAHOLE_VERSION 2"
		}
		byFlags := Check(&Input{Config: parse(t, pahole(v)), Env: &Env{PaholeFlags: flags}})
		byTree := Check(&Input{Config: parse(t, pahole(v)), Env: &env, Tree: &Tree{Pahole: paholeByTime, PaholeFile: "scripts/Makefile.btf"}})
		if f, tr := said(byFlags, "pahole-parallel"), said(byTree, "pahole-parallel"); f != want || tr != want {
			t.Errorf("%s: by flags %q, by tree %q, want %q", line, f, tr, want)
		}
	}
	if n != 18 {
		t.Fatalf("%d lines", n)
	}
}

// TestSecret: a report must not repeat a PIN.
func TestSecret(t *testing.T) {
	const pin = "hunter2"
	rep := Check(&Input{Env: &fixed, Config: parse(t, signed+`CONFIG_MODULE_SIG_KEY="pkcs11:token=x?pin-value=`+pin+`"`+"\nCONFIG_MODULE_SIG_ALL=y\n"+
		`CONFIG_MODULE_SIG_KEY="pkcs11:token=y?pin-value=`+pin+"\n"+`CONFIG_MODULE_SIG_KEY="/x?pin-value=`+pin+"\"\nx pin-value="+pin+"\n")})
	if len(rep.Findings) < 5 {
		t.Errorf("findings %v", rep.Findings)
	}
	for _, f := range rep.Findings {
		if strings.Contains(fmt.Sprintf("%+v", f), pin) {
			t.Errorf("%+v", f)
		}
	}
}

func TestReadTree(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const generator = "#!/bin/sh\nSEED=$(od -A n -t x8 -N 32 /dev/urandom | tr -d ' \\n')\necho \"#define RANDSTRUCT_HASHED_SEED\" > \"$2\"\n"
	for name, c := range map[string]struct {
		trees []fstest.MapFS
		want  Tree
	}{
		"empty": {[]fstest.MapFS{{}}, Tree{}},
		"none":  {nil, Tree{}},
		"a source tree": {[]fstest.MapFS{{"scripts/gen-randstruct-seed.sh": file(generator), "scripts/Makefile.btf": file("x -j\n")}},
			Tree{Pahole: "x -j", PaholeFile: "scripts/Makefile.btf"}},
		"a seed alone": {[]fstest.MapFS{{"scripts/basic/randstruct.seed": file("ab\n"), "scripts/gen-randstruct-seed.sh": file(generator)}}, Tree{Seed: "ab"}},
		"a build tree and its source tree": {[]fstest.MapFS{
			{"scripts/basic/randstruct.seed": file("ab\n"), "scripts/basic/.randstruct.seed.cmd": file("x"), ".version": file("7\n")},
			{"scripts/basic/randstruct.seed": file("cd\n"), "scripts/pahole-flags.sh": file("y")},
		}, Tree{Seed: "ab", SeedKept: true, BuildVersion: "7", Pahole: "y", PaholeFile: "scripts/pahole-flags.sh"}},
		"a fixed seed": {[]fstest.MapFS{{"scripts/gen-randstruct-seed.sh": file("#!/bin/sh\n# nothing random here\nSEED=ab\necho \"#define RANDSTRUCT_HASHED_SEED\"\n")}}, Tree{SeedFixed: true}},
	} {
		args := make([]fs.FS, len(c.trees))
		for i, tree := range c.trees {
			args[i] = tree
		}
		got, err := ReadTree(args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(&c.want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
	}
	for name, tree := range map[string]fstest.MapFS{
		"too large": {".version": file(strings.Repeat("1", maxTreeFile+1))},
		"a folder":  {".version/x": file("")},
	} {
		if got, err := ReadTree(tree); err == nil || got != nil || !strings.Contains(err.Error(), "reading .version: ") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestHuge: what a rule says is bounded, whatever the file holds.
func TestHuge(t *testing.T) {
	for _, line := range []string{"# pin-value=\n", "x\n", "CONFIG_MODULE_SIG=y\n", "\n"} {
		rep := Check(&Input{Config: parse(t, strings.Repeat(line, kconfig.MaxSize/4/len(line))), Env: &fixed})
		if n := len(rep.Findings) + len(rep.Unknown); n > 250 {
			t.Errorf("%q: %d findings", line, n)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		all  []Severity
		want Severity
	}{
		{nil, ""}, {[]Severity{Note}, Note}, {[]Severity{Note, Warning, Note}, Warning}, {[]Severity{Warning, Error, Note}, Error},
	} {
		rep := &Report{}
		for _, s := range c.all {
			rep.Findings = append(rep.Findings, Finding{Severity: s})
		}
		if got := rep.Worst(); got != c.want {
			t.Errorf("%v: got %s", c.all, got)
		}
	}
}

// FuzzCheck: no file, however odd, makes a rule panic or say nothing of itself.
func FuzzCheck(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.config), fixed.Timestamp, paholeByTime)
	}
	var ids []string
	for _, r := range Rules() {
		ids = append(ids, r.ID)
	}
	f.Fuzz(func(t *testing.T, text []byte, timestamp, script string) {
		config, err := kconfig.Parse(text)
		if err != nil {
			return
		}
		for _, in := range []*Input{
			{Config: config},
			{Config: config, Env: &Env{Timestamp: timestamp, PaholeFlags: script, KCFLAGS: script}, Tree: &Tree{}},
			{Config: config, Env: &Env{Timestamp: timestamp}, Tree: &Tree{Pahole: script}, SigHash: script, SigKey: timestamp, Compressions: []string{script}},
		} {
			rep := Check(in)
			last := 0
			for _, f := range rep.Findings {
				i := slices.Index(ids, f.Rule)
				if i < last || f.Found == "" || f.Line < 0 || f.Line > bytes.Count(text, []byte("\n"))+1 {
					t.Fatalf("%+v", f)
				}
				last = i
			}
		}
	})
}
