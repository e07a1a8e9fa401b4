// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// loadKernel writes an image of the kernel that loaded the modules in
// testdata/vectors/hashes.
func loadKernel(t *testing.T, certificates ...string) string {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("../../testdata/vectors", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k := vmlinux.Kernel{Release: "7.2.13", Hashes: read("hashes/roots/main.bin"), NoModule: true, Config: loadConfig}
	for _, name := range certificates {
		k.Certs = append(k.Certs, read(name))
	}
	path := filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(path, k.ELF(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

const loadConfig = `CONFIG_MODULES=y
CONFIG_MODULE_SIG=y
CONFIG_MODULE_HASHES=y
CONFIG_SECURITY_LOCKDOWN_LSM=y
CONFIG_PREEMPT_BUILD=y
CONFIG_MODULE_UNLOAD=y
CONFIG_MODULE_DECOMPRESS=y
CONFIG_MODULE_COMPRESS_XZ=y
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_SHA256=y
CONFIG_CRYPTO_SHA512=y
`

// TestCheckLoad asks the program about modules that a kernel did load, or not.
func TestCheckLoad(t *testing.T) {
	const cases, rsa = "../../testdata/vectors/hashes/cases/", "../../testdata/vectors/signing/rsa2048.der"
	image := loadKernel(t)
	var stdout, stderr bytes.Buffer
	do := func(want int, args ...string) string {
		t.Helper()
		stdout.Reset()
		stderr.Reset()
		if got := run(context.Background(), append([]string{"check-load"}, args...), nil, &stdout, &stderr); got != want {
			t.Errorf("%v: exit code %d, want %d\n%s%s", args, got, want, &stdout, &stderr)
		}
		first, _, _ := strings.Cut(stdout.String(), "\n")
		return first
	}
	proven := []string{image, cases + "a0-valid", cases + "a1-valid", cases + "a2-valid"}
	if got := do(0, proven...); got != "loads: 3 modules authenticated and loaded (permissive, enforcing, lockdown)" {
		t.Error(got)
	}
	do(0, image, cases+"a7-valid.xz")
	do(1, image, cases+"a0-valid", cases+"a0-valid") // the second one exists
	if !strings.Contains(stdout.String(), "refused: EEXIST") {
		t.Error(&stdout)
	}
	do(1, image, cases+"k01-rsa-good")
	do(0, "--keyring", rsa, image, cases+"k01-rsa-good")
	do(1, "--keyring", rsa, image, cases+"k04-rsa-module-changed")
	do(0, loadKernel(t, "signing/rsa2048.der"), cases+"k01-rsa-good")
	do(1, "--mode", "permissive", image, cases+"b1-unsigned") // loads, but nothing vouches for it
	if !strings.Contains(stdout.String(), "permissive  loads, taint E\n") {
		t.Error(&stdout)
	}

	// A kernel that may take revoked keys from the firmware.
	const revoked = "../../testdata/vectors/hashes/revoked.der"
	cfg := filepath.Join(t.TempDir(), "config")
	text := loadConfig + "CONFIG_SYSTEM_BLACKLIST_KEYRING=y\nCONFIG_SYSTEM_REVOCATION_LIST=y\nCONFIG_SYSTEM_REVOCATION_KEYS=\"\"\n"
	if err := os.WriteFile(cfg, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	both := []string{"--config", cfg, "--keyring", rsa + "," + revoked, image, cases + "k11-revoked-key"}
	do(0, both...) // its list is empty, and there is no other
	if err := os.WriteFile(cfg, []byte(text+"CONFIG_LOAD_UEFI_KEYS=y\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	do(2, both...)
	if !strings.Contains(stdout.String(), "in the firmware's dbx for one, is not known") {
		t.Error(&stdout)
	}
	do(0, append([]string{"--revoked", "none"}, both...)...)
	do(1, append([]string{"--revoked", revoked}, both...)...)
	do(2, append([]string{"--revoked", "none," + revoked}, both...)...)
	do(2, append([]string{"--revoked", cfg}, both...)...)
	do(0, append([]string{"--config", cfg}, proven...)...) // no key is asked

	listing := filepath.Join(t.TempDir(), "keys")
	const line = "0f8f2ca1 I------     1 perm 1f030000     0     0 asymmetri Key: 01020304: X509.rsa 01020304 []\n"
	if err := os.WriteFile(listing, []byte(line), 0o666); err != nil {
		t.Fatal(err)
	}
	do(2, "--keyring", listing, image, cases+"k01-rsa-good")
	do(0, "--keyring", listing, "--keyring", rsa, image, cases+"k01-rsa-good")
	do(1, "--keyring", listing, image, cases+"b1-unsigned")

	do(1, "--format", "json", image, cases+"a0-valid", cases+"h01-module-bit-flipped")
	var doc struct {
		Verdict string
		Modules []struct {
			Verdict, Name, Authenticated string
			Answers                      []struct{ Mode, Loads, Errno, Taint string }
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Verdict != "not-loaded" || len(doc.Modules) != 2 || doc.Modules[0].Verdict != "loads" || doc.Modules[1].Authenticated != "no" {
		t.Errorf("%+v", doc)
	}
	if a := doc.Modules[1].Answers; len(a) != 3 || a[0].Taint != "E" || a[1].Errno != "EKEYREJECTED" || a[2].Errno != "EPERM" || a[2].Loads != "no" {
		t.Errorf("%+v", a)
	}
}
