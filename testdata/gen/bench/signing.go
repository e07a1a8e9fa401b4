// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// benchKeys are the keys of the rows about signatures, with the arguments that make
// OpenSSL make them, and the target for signing.
var benchKeys = []struct {
	name, args string
	target     float64
}{
	{"P-384", "ec -pkeyopt ec_paramgen_curve:P-384", 1.0 / 10},
	{"RSA-4096", "rsa:4096", 1.0 / 3},
}

// signing makes the rows about signatures: sign the modules, against the kernel's
// sign-file called once for each; and verify these signatures, against digesting the
// modules.
func (c *corpus) signing(modhash, modules string) ([]row, error) {
	plain, err := c.once("unsigned-"+filepath.Base(modules), func(dir string) error {
		return shell(modhash + " unsign -q --no-sync --out " + dir + " " + modules)
	})
	if err != nil {
		return nil, err
	}
	kbuild, err := c.once(strings.TrimSuffix(c.file["kbuild-6.12"], ".deb"), func(dir string) error {
		return shell("dpkg-deb -x " + filepath.Join(c.dir, "deb", c.file["kbuild-6.12"]) + " " + dir)
	})
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(kbuild, "usr/lib/*/scripts/sign-file"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%s: %d programs sign-file, %w", kbuild, len(found), err)
	}
	out := filepath.Join(c.dir, "bench", "signed")
	// What the last run wrote is emptied and put aside, not removed: for minutes ext4
	// gives out no inode that was just removed, and looks at each of them for every new
	// file. And it is on the disk before the next run, which would share the processors
	// with the kernel's writing; what is read is in the cache, from which a system that
	// reclaims idle memory takes it in the half minute of a run.
	again := "mkdir -p " + out + " " + c.aside() + " && find " + out + " -type f -print0 | xargs -0 -r truncate -s 0 && sync && " +
		"mv " + out + " " + c.aside() + "/$(date +%s%N) && mkdir " + out + " && cd " + plain + " && find . -type d -printf '" + out + "/%p\\0' | xargs -0 mkdir -p && find . -type f -print0 | xargs -0 cat >/dev/null"
	var signed, verified []row
	for _, k := range benchKeys {
		key, err := c.once("key-"+k.name, func(dir string) error {
			return shell("mkdir " + dir + " && openssl req -new -x509 -newkey " + k.args + " -nodes -sha256 -days 3650 -subj /CN=bench -keyout " +
				dir + "/key.pem -out " + dir + "/cert.pem && chmod 600 " + dir + "/key.pem")
		})
		if err != nil {
			return nil, err
		}
		pair := key + "/key.pem " + key + "/cert.pem"
		withKey := " --hash sha512 --key " + strings.Replace(pair, " ", " --cert ", 1)
		tree, err := c.once("signed-"+k.name+"-"+filepath.Base(plain), func(dir string) error {
			return shell(modhash + " sign -q --no-sync" + withKey + " --out " + dir + " " + plain)
		})
		if err != nil {
			return nil, err
		}
		signed = append(signed, row{
			"sign, " + k.name, modhash + " sign -q --no-sync" + withKey + " --out " + out + " " + plain,
			"cd " + plain + " && find . -name '*.ko' -print0 | xargs -0 -I{} " + found[0] + " sha512 " + pair + " {} " + out + "/{}",
			"sign-file, once for each", k.target, 0, again,
		})
		verified = append(verified, row{
			"verify, " + k.name, modhash + " verify -q --keys " + key + "/cert.pem " + tree,
			"find " + tree + " -name '*.ko' -print0 | xargs -0 -P2 -n 200 openssl dgst -sha512",
			"openssl dgst -sha512, 2 at once", 2, 0, "",
		})
	}
	return append(signed, verified...), nil
}

// aside is the folder of what the runs of a bench wrote, until it ends.
func (c *corpus) aside() string { return filepath.Join(c.dir, "bench", "aside") }

// once makes a folder in the cache, if it is not there.
func (c *corpus) once(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(c.dir, "bench", name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp := dir + ".part"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := fill(tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

func shell(command string) error {
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.300s", command, err, out)
	}
	return nil
}

// ready prepares a run.
func (r *row) ready() error {
	if r.prepare == "" {
		return nil
	}
	return shell(r.prepare)
}
