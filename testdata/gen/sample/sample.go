// SPDX-License-Identifier: Apache-2.0

// Package sample makes the built-in sample builds: small kernels on which modhash
// can show what it does. Nothing in them is meant to run, and they are the same
// bytes wherever they are made.
//
//	a   plain modules, signed with throw-away key a
//	b   the same modules, compressed with xz, signed with throw-away key b
//	c   as a, but the code of one module differs by one byte
//	d   as a, but not signed
//	keys   the keys that a and b were signed with
//	tree   the build tree that d was installed from, with a vmlinux whose
//	       .module_hashes still holds zeros
package sample

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/pe"
	"github.com/modhash/modhash/testdata/keys"
)

// Release of all builds.
const Release = "6.12.0-sample"

// Changed is the module that differs in build c.
const Changed = "kernel/drivers/net/dummy.ko"

// Modules are the lines of modules.order.
var Modules = strings.Fields(`
	kernel/arch/x86/crypto/aesni-intel.ko kernel/arch/x86/kvm/kvm.ko kernel/arch/x86/kvm/kvm-intel.ko
	kernel/fs/ext4/ext4.ko kernel/fs/btrfs/btrfs.ko kernel/fs/xfs/xfs.ko kernel/fs/nls/nls_utf8.ko kernel/fs/fuse/fuse.ko
	kernel/crypto/xor.ko kernel/crypto/sha3_generic.ko kernel/lib/crc-itu-t.ko kernel/lib/zstd/zstd_compress.ko
	kernel/drivers/block/loop.ko kernel/drivers/block/nbd.ko kernel/drivers/net/dummy.ko kernel/drivers/net/tun.ko
	kernel/drivers/net/wireguard/wireguard.ko kernel/drivers/gpu/drm/drm.ko kernel/drivers/usb/core/usbcore.ko
	kernel/drivers/md/dm-mod.ko kernel/net/sched/sch_fq.ko kernel/net/ipv4/tcp_bbr.ko kernel/sound/soundcore.ko
	kernel/virt/lib/irqbypass.ko`)

// Payload is the module without a signature.
func Payload(name string) []byte {
	base := strings.TrimSuffix(filepath.Base(name), ".ko")
	return ko.Module{Name: base, Release: Release, Text: ko.Code(base, 1500+700*(len(name)%9))}.Bytes()
}

// changed flips a bit in the code.
func changed(b []byte) []byte {
	b[64+100] ^= 0x01
	return b
}

// Write makes the folders in dir, which is made if need be.
func Write(dir string) error {
	ka, err := ko.ParseKey(keys.AKey, keys.ACert)
	if err != nil {
		return err
	}
	kb, err := ko.ParseKey(keys.BKey, keys.BCert)
	if err != nil {
		return err
	}
	image := pe.Image(ko.Code("vmlinuz", 40001))
	builds := []struct {
		name, suffix string
		key          *ko.Key
		image        []byte
		edit         bool
	}{
		{"a", "", ka, image, false},
		{"b", ".xz", kb, pe.Sign(image, []byte("no real signature")), false},
		{"c", "", ka, image, true},
		{"d", "", nil, image, false},
	}
	for _, b := range builds {
		files := map[string][]byte{"vmlinuz": b.image}
		for _, name := range Modules {
			p := Payload(name)
			if b.edit && name == Changed {
				p = changed(p)
			}
			if b.key != nil {
				p = b.key.Sign(p)
			}
			files[name+b.suffix] = ko.Compress(p, b.suffix)
		}
		for name, data := range indexes() {
			files[name] = data
		}
		if err := writeAll(filepath.Join(dir, b.name, "usr/lib/modules", Release), files); err != nil {
			return err
		}
	}
	if err := writeAll(filepath.Join(dir, "keys"), pairs()); err != nil {
		return err
	}
	return writeAll(filepath.Join(dir, "tree"), tree(image))
}

// pairs are the throw-away keys, each with its certificate, as the kernel's build
// keeps them, and the certificates alone.
func pairs() map[string][]byte {
	return map[string][]byte{
		"a.pem": slices.Concat(keys.AKey, keys.ACert), "a.crt": keys.ACert,
		"b.pem": slices.Concat(keys.BKey, keys.BCert), "b.crt": keys.BCert,
		"alice.key": keys.AliceKey, "bob.key": keys.BobKey, "carol.key": keys.CarolKey,
	}
}

// config is what the build tree was configured with. It has the fault that
// kernels have by default: a throw-away key.
const config = `#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.12.0 Kernel Configuration
#
CONFIG_X86=y
CONFIG_MODULES=y
CONFIG_MODULE_SIG=y
# CONFIG_MODULE_SIG_FORCE is not set
CONFIG_MODULE_SIG_ALL=y
# CONFIG_MODULE_SIG_SHA256 is not set
CONFIG_MODULE_SIG_SHA512=y
CONFIG_MODULE_SIG_HASH="sha512"
CONFIG_MODULE_SIG_KEY="certs/signing_key.pem"
CONFIG_MODULE_SIG_KEY_TYPE_RSA=y
CONFIG_SYSTEM_TRUSTED_KEYRING=y
CONFIG_SYSTEM_TRUSTED_KEYS=""
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_SHA256=y
CONFIG_CRYPTO_SHA512=y
`

// tree is the build tree.
func tree(image []byte) map[string][]byte {
	files := map[string][]byte{
		"include/config/kernel.release": []byte(Release + "\n"),
		"include/config/auto.conf":      []byte("CONFIG_X86=y\nCONFIG_MODULES=y\n"),
		".config":                       []byte(config),
		"arch/x86/boot/bzImage":         image,
		"vmlinux":                       ko.Module{Release: Release, Text: ko.Code("vmlinux", 9000)}.Vmlinux(make([]byte, 36)),
		"modules.builtin":               indexes()["modules.builtin"],
	}
	var order strings.Builder
	for _, name := range Modules {
		built := strings.TrimPrefix(name, "kernel/")
		files[built] = Payload(name)
		fmt.Fprintf(&order, "%s.o\n", strings.TrimSuffix(built, ".ko"))
	}
	files["modules.order"] = []byte(order.String())
	return files
}

// indexes are the other files of a modules folder.
func indexes() map[string][]byte {
	return map[string][]byte{
		"modules.order":           []byte(strings.Join(Modules, "\n") + "\n"),
		"modules.builtin":         []byte("kernel/fs/ramfs/ramfs.ko\n"),
		"modules.builtin.modinfo": []byte("ramfs.license=GPL\x00"),
		"modules.softdep":         []byte("# Soft dependencies extracted from modules themselves.\n"),
	}
}

func writeAll(dir string, files map[string][]byte) error {
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".pem") || strings.HasSuffix(name, ".key") { // a private key is its owner's alone
			mode = 0o600
		}
		if err := os.WriteFile(path, data, mode); err != nil {
			return fmt.Errorf("writing the sample builds: %w", err)
		}
	}
	return nil
}
