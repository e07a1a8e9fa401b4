// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/load"
	"github.com/modhash/modhash/modsig"
)

// checkListing looks for a certificate in a listing of keys.
func (f *keysCheckFlags) checkListing(c *keyCheck, der []byte, cfg *kconfig.File) error {
	var l *modsig.Listing
	err := readFile(c.target, func(r io.Reader) (err error) {
		l, err = modsig.ReadListing(r)
		return err
	})
	if err != nil {
		return err
	}
	release := f.release
	if release == "" && c.target == procKeys {
		text, err := os.ReadFile(osRelease)
		if err != nil {
			return err
		}
		release = strings.TrimSpace(string(text))
	}
	c.accept(load.KernelKinds(release, cfg), der)
	var revoked, maybe bool
	if c.cert != nil {
		revoked, maybe = l.Revokes(c.cert)
	}
	switch {
	case c.cert == nil:
		c.in, c.where = load.No, "no: it cannot be a key"
	case l.Denies(c.cert):
		c.in, c.where = load.No, "denied: the blacklist names it"
	case revoked:
		c.in, c.where = load.No, "revoked: the blacklist holds it"
	case maybe:
		c.in, c.where = load.Maybe, "not known: a key of that id is listed, but certificates are revoked, and the listing does not tell which (an image does)"
	case l.Lists(c.cert):
		c.in, c.where = load.Yes, "yes: a key of that id is listed"
		if c.accepted == load.Maybe {
			c.accepted, c.why = load.Yes, c.cert.Algorithm+": the kernel has taken it"
		}
	default:
		c.in, c.where = load.No, fmt.Sprintf("no: none of %s is this one", plural(l.Len(), "listed key"))
	}
	if c.in == load.Yes {
		c.readable = "" // it was not read from the image
	}
	return nil
}

// namesListing reports whether the target is a copy of /proc/keys.
func namesListing(path string) (bool, error) {
	if path == procKeys {
		return true, nil
	}
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		if err == nil {
			err = fmt.Errorf("%s is no regular file", path)
		}
		return false, err
	}
	head, err := firstBytes(path)
	return isKeyListing(head), err
}

// checkRunning asks the running kernel how strict it is.
func (f *keysCheckFlags) checkRunning(c *keyCheck, listing bool) error {
	sig, lock := f.sigEnforce, f.lockdown
	if listing && c.target == procKeys {
		sig, lock = cmp.Or(sig, sigEnforceFile), cmp.Or(lock, lockdownFile)
	}
	c.asked = sig != "" || lock != ""
	if !c.asked {
		if f.enforcing {
			return usageError("--enforcing goes with /proc/keys, --sig-enforce or --lockdown")
		}
		return nil
	}
	s, err := kernelSays(sig, func(text string) (load.Fact, bool) {
		return map[string]load.Fact{"Y": load.Yes, "1": load.Yes, "N": load.No, "0": load.No}[text], text == "Y" || text == "N" || text == "1" || text == "0"
	})
	if err != nil {
		return err
	}
	level := "none"
	l, err := kernelSays(lock, func(text string) (load.Fact, bool) {
		_, rest, ok := strings.Cut(text, "[")
		level, _, _ = strings.Cut(rest, "]")
		if level != "none" && level != "integrity" && level != "confidentiality" {
			return load.Maybe, false
		}
		return map[bool]load.Fact{true: load.No, false: load.Yes}[level == "none"], ok
	})
	if err != nil {
		return err
	}
	switch {
	case s == load.Yes:
		c.enforces, c.enforcement = load.Yes, "yes: sig_enforce is on"
	case l == load.Yes:
		c.enforces, c.enforcement = load.Yes, "yes: it is locked down ("+level+")"
	case s == load.No && l == load.No:
		c.enforces, c.enforcement = load.No, "no: sig_enforce is off, and it is not locked down; a module without a valid signature loads and taints"
	case s == load.No:
		c.enforces, c.enforcement = load.Maybe, "not known: sig_enforce is off, and whether it is locked down cannot be read"
	default:
		c.enforces, c.enforcement = load.Maybe, "not known: there is no sig_enforce to be read (a kernel without CONFIG_MODULE_SIG has none)"
	}
	return nil
}

// kernelSays reads a file of the kernel; one that is not there says nothing.
func kernelSays(path string, parse func(string) (load.Fact, bool)) (load.Fact, error) {
	if path == "" {
		return load.Maybe, nil
	}
	var text []byte
	err := readFile(path, func(r io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(r, 4096))
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return load.Maybe, nil
	}
	if err != nil {
		return load.Maybe, err
	}
	fact, ok := parse(strings.TrimSpace(string(text)))
	if !ok {
		return load.Maybe, fmt.Errorf("%s says %.40q, which is not understood", path, text)
	}
	return fact, nil
}
