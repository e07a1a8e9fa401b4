// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/load"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/selfsigned"
)

const keysCheckLong = `Tells whether a kernel trusts a certificate for modules, and would take it:

  of an IMAGE     whether it is in the list of built-in certificates (as that of the
                  build's own key, among the others, or inserted into the reserve after
                  the build), and not among the revoked ones
  of PROC-KEYS    whether the running system has it in a keyring: /proc/keys, or a copy
                  of it. Which keyring that is, the listing does not tell; so where the
                  kernel has revoked certificates of its own, it is not known

and in both cases whether the kernel that starts would read it (its length), and take
it: encoding, algorithm, length of the key, curve, and the signature on itself. Which
algorithms are built in is known from the configuration, in the image or --config.

Whether the running kernel demands signatures is told besides, if TARGET is
/proc/keys or one of --sig-enforce and --lockdown is given; --enforcing demands it.`

const keysCheckExample = `$ modhash keys check sample/tree/vmlinux sample/keys/b.crt || true
not trusted: sample/keys/b.crt is not in sample/tree/vmlinux
  certificate  modhash throw-away test key b, serial 375ff50aafd53aa936a4fca874330c64bc4ae3b2, key id c8c76759f469f7f42b7b1f242a54e305e59ddc65
  in there     no: 0 certificates are trusted, none is this one
  is read      yes
  is accepted  not known: if the kernel has the algorithms built in: --config tells`

type keysCheckFlags struct {
	image                imageFlags
	config, release      string
	sigEnforce, lockdown string
	enforcing            bool
	format               string
}

func (a *app) keysCheck() *cobra.Command {
	f := &keysCheckFlags{}
	cmd := &cobra.Command{
		Use:         "check [OPTION]... IMAGE|PROC-KEYS CERTIFICATE",
		Short:       "tell whether a kernel trusts and accepts a certificate",
		Long:        keysCheckLong,
		Example:     keysCheckExample,
		Annotations: map[string]string{exitAnnotation: "0 it is trusted, and accepted\n1 it is not, or with --enforcing signatures are not demanded\n2 it cannot be told, wrong usage, or something could not be read"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysCheck(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "the kernel's .config `FILE`")
	fl.StringVar(&f.release, "release", "", "the kernel's `RELEASE`, such as 6.12.1, with a copy of /proc/keys (default: the newest one known)")
	fl.StringVar(&f.sigEnforce, "sig-enforce", "", "read from `FILE` whether the kernel demands signatures (default, with /proc/keys: "+sigEnforceFile+")")
	fl.StringVar(&f.lockdown, "lockdown", "", "read from `FILE` whether it is locked down (default, with /proc/keys: "+lockdownFile+")")
	fl.BoolVar(&f.enforcing, "enforcing", false, "demand that the running kernel enforces signatures")
	registerFormat(cmd, &f.format)
	f.image.register(cmd)
	return cmd
}

// Where the running kernel says how strict it is.
const (
	procKeys       = "/proc/keys"
	sigEnforceFile = "/sys/module/module/parameters/sig_enforce"
	lockdownFile   = "/sys/kernel/security/lockdown"
	osRelease      = "/proc/sys/kernel/osrelease"
)

// keyCheck is what was found out. Answers are Maybe if they cannot be told.
type keyCheck struct {
	cert           *modsig.Key
	path, target   string
	in             load.Fact
	where          string
	readable       string // why it is not read when the kernel starts; "" if it is
	accepted       load.Fact
	why            string // of accepted
	asked          bool   // the running kernel was asked
	enforces       load.Fact
	enforcement    string
	wantsEnforcing bool
}

func (a *app) runKeysCheck(ctx context.Context, f *keysCheckFlags, args []string) error {
	if len(args) != 2 {
		return usageError("want an image or a copy of /proc/keys, and a certificate")
	}
	if err := checkFormat(f.format); err != nil {
		return err
	}
	if err := f.image.check(); err != nil {
		return err
	}
	der, err := keys.ReadCertificate(ctx, args[1])
	if err != nil {
		return err
	}
	c := &keyCheck{path: args[1], target: args[0], wantsEnforcing: f.enforcing, readable: selfsigned.Listable(der)}
	var cfg *kconfig.File
	if f.config != "" {
		err := readFile(f.config, func(r io.Reader) (err error) {
			cfg, err = readConfig(f.config, r)
			return err
		})
		if err != nil {
			return err
		}
	}
	listing, err := namesListing(args[0])
	if err != nil {
		return err
	}
	if listing {
		err = f.checkListing(c, der, cfg)
	} else {
		err = f.checkImage(ctx, c, der, cfg)
	}
	if err != nil {
		return err
	}
	if err := f.checkRunning(c, listing); err != nil {
		return err
	}
	write := func() error { return a.printKeyCheck(c) }
	if f.format == "json" {
		write = func() error {
			return a.output(ctx, "", func(w io.Writer) error { return report.KeyCheckJSON(w, c.report(der)) })
		}
	}
	if err := write(); err != nil {
		return err
	}
	return code(c.exit())
}

// checkImage looks for a certificate in an image.
func (f *keysCheckFlags) checkImage(ctx context.Context, c *keyCheck, der []byte, cfg *kconfig.File) error {
	if f.release != "" {
		return usageError("--release goes with a copy of /proc/keys; an image tells its own")
	}
	return f.image.with(ctx, c.target, func(img *image.Image) error {
		k, err := load.NewKernel(load.Sources{Image: img, Config: cfg})
		if err != nil {
			return err
		}
		kinds := make([]*modsig.Kernel, len(k.Keyrings))
		for i, r := range k.Keyrings {
			kinds[i] = r.Kernel()
		}
		c.accept(kinds, der)
		c.lookIn(img, der)
		if k.Signatures == load.No {
			c.in, c.where = load.No, "no: the kernel has no CONFIG_MODULE_SIG, so that no certificate counts for modules"
		}
		return nil
	})
}

// lookIn says where in an image the certificate is. One that is in no list is in a
// driver, or in the list that no symbol tells of.
func (c *keyCheck) lookIn(img *image.Image, der []byte) {
	if l := img.Revoked; l != nil {
		for i := range l.Certificates {
			if bytes.Equal(l.Certificates[i].Raw, der) {
				c.in, c.where = load.No, "revoked: it is in the kernel's list of revoked certificates"
				return
			}
		}
	}
	n := 0
	c.in = load.No
	elsewhere := false
	if l := img.Trusted; l != nil {
		for i := range l.Certificates {
			x := &l.Certificates[i]
			listed := l.Listed(x)
			if listed {
				n++
			}
			if !bytes.Equal(x.Raw, der) {
				continue
			}
			switch {
			case !listed:
				elsewhere = true
				continue
			case x.Offset >= readTo(l):
				c.in, c.where = load.No, "no: it is in the list, but the kernel stops reading that before it"
				return
			case l.OfBuild(x):
				c.where = "yes: built in, as that of the build's own key"
			case l.InReserve(x):
				c.where = "yes: in the reserve, inserted after the build"
			default:
				c.where = "yes: built in"
			}
			c.in = load.Yes
			return
		}
	}
	if elsewhere {
		c.in, c.where = load.Maybe, "not known: it is in the image, but not in the list that most likely is the trusted one (--system-map tells)"
		return
	}
	c.where = "no: " + plural(n, "certificate") + trustVerb(n) + "trusted, none is this one"
}

// readTo is how far a kernel that starts reads a list: as long as each certificate
// begins where the one before it ends.
func readTo(l *image.CertificateList) (end int64) {
	for {
		i := slices.IndexFunc(l.Certificates, func(c certlist.Certificate) bool {
			return c.Offset == end && end < l.Size && selfsigned.Listable(c.Raw) == ""
		})
		if i < 0 {
			return end
		}
		end += int64(len(l.Certificates[i].Raw))
	}
}

func trustVerb(n int) string {
	if n == 1 {
		return " is "
	}
	return " are "
}

// accept asks the kernels that it may be whether they take the certificate.
func (c *keyCheck) accept(kinds []*modsig.Kernel, der []byte) {
	yes, no := 0, 0
	for _, k := range kinds {
		key, err := k.ParseKey(der)
		if err == nil {
			c.cert = key
		}
		switch {
		case err != nil:
			no++
			c.why = "the kernel answers " + err.Error()
		case k.Has != nil && !k.Has(key.Algorithm):
			no++
			c.why = key.Algorithm + " is not built in"
		default:
			yes++
		}
	}
	switch {
	case no == 0 && yes > 0:
		c.accepted, c.why = load.Yes, c.cert.Algorithm
	case yes == 0:
		c.accepted = load.No
	default:
		c.accepted, c.why = load.Maybe, "if the kernel has the algorithms built in: --config tells"
	}
	if c.readable == "" && c.cert != nil && len(c.cert.Raw) != len(der) {
		c.readable = "there are bytes behind it"
	}
}

// exit is the exit code: what is certain goes before what is not.
func (c *keyCheck) exit() int {
	switch {
	case c.in == load.No || c.accepted == load.No || c.readable != "" || c.wantsEnforcing && c.enforces == load.No:
		return exitFinding
	case c.in == load.Maybe || c.accepted == load.Maybe || c.wantsEnforcing && c.enforces == load.Maybe:
		return exitTrouble
	}
	return exitOK
}

// verdict is that of the JSON form.
func (c *keyCheck) verdict() string {
	switch exit := c.exit(); {
	case exit == exitOK:
		return "trusted"
	case exit == exitTrouble:
		return "unknown"
	case c.in == load.Yes && c.accepted != load.No && c.readable == "":
		return "not-enforced"
	}
	return "not-trusted"
}

// report is what was found out, for programs.
func (c *keyCheck) report(der []byte) *report.KeyCheck {
	r := &report.KeyCheck{
		Verdict: c.verdict(), Target: c.target, Path: c.path, Certificate: certlist.ParseOne(der),
		In: factOf(c.in, c.where), Read: factOf(load.Yes, ""), Accepted: factOf(c.accepted, c.why),
	}
	if c.readable != "" {
		r.Read = factOf(load.No, c.readable)
	}
	if c.asked {
		f := factOf(c.enforces, c.enforcement)
		r.Enforces = &f
	}
	return r
}

// factOf is an answer; what text says before a colon of it is left out of the detail.
func factOf(f load.Fact, text string) report.Fact {
	answer := map[load.Fact]string{load.Yes: "yes", load.No: "no", load.Maybe: "unknown"}[f]
	for _, word := range []string{"yes: ", "no: ", "not known: "} {
		text = strings.TrimPrefix(text, word)
	}
	return report.Fact{Answer: answer, Detail: text}
}

func (a *app) printKeyCheck(c *keyCheck) error {
	word := map[load.Fact]string{load.Yes: "yes", load.No: "no", load.Maybe: "not known"}
	verdict := map[string]string{
		"trusted": "trusted: %s is in %s", "unknown": "not known: whether %s counts in %s",
		"not-trusted":  "not trusted: %s is not taken by %s",
		"not-enforced": "not enforced: %s is in %s, whose kernel loads modules without a signature",
	}[c.verdict()]
	if c.verdict() == "not-trusted" && c.in == load.No {
		verdict = "not trusted: %s is not in %s"
	}
	lines := []string{fmt.Sprintf(verdict, c.path, c.target)}
	add := func(name, text string) { lines = append(lines, fmt.Sprintf("  %-12s %s", name, text)) }
	if c.cert != nil {
		add("certificate", fmt.Sprintf("%s, serial %s, key id %x", c.cert.Subject, modsig.SerialHex(c.cert.Serial), c.cert.KeyID))
	}
	add("in there", c.where)
	if c.readable != "" {
		add("is read", "no: "+c.readable)
	} else {
		add("is read", "yes")
	}
	add("is accepted", word[c.accepted]+": "+c.why)
	if c.asked {
		add("enforces", c.enforcement)
	}
	return a.sayLines(lines)
}
