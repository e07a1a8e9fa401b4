// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/lint"
	"github.com/modhash/modhash/kbuild/report"
)

// profile is a way to say which modules a kernel loads.
type profile struct {
	name, what string
	check      func(*profileCheck)
	rules      []string // of lint, that no error or warning may come from
}

// Rules of lint that go with signatures of any kind.
var signatureRules = []string{"key-pin", "key-path", "sig-hash-builtin", "sig-key-builtin"}

func profiles() []profile {
	return []profile{{
		"hashes", "in-tree modules by hash, others by a key that stays the same; enforced; no private key in the build",
		func(p *profileCheck) {
			p.yes("MODULE_HASHES", "--hashes", "in-tree modules are authenticated by it")
			p.yes("MODULE_SIG", "--set MODULE_SIG=y", "other modules are authenticated by it")
			p.off("MODULE_SIG_ALL", kconfig.Yes, "--hashes", "Kconfig does not allow hashes with it")
			p.off("IMA_APPRAISE_MODSIG", kconfig.No, "--hashes", "Kconfig does not allow hashes with it")
			p.noBuildKey("--hashes")
			p.trusts()
			p.enforces()
		}, signatureRules,
	}, {
		"stable-key", "all modules by a key that stays the same; enforced",
		func(p *profileCheck) {
			p.yes("MODULE_SIG", "--set MODULE_SIG=y", "modules are authenticated by it")
			p.stableKey()
			p.enforces()
		}, signatureRules,
	}, {
		"throw-away", "in-tree modules by the build's own key, the private half of which is destroyed afterwards, others by an auxiliary key; enforced; the image cannot be built again",
		func(p *profileCheck) {
			p.yes("MODULE_SIG", "--set MODULE_SIG=y", "modules are authenticated by it")
			p.off("MODULE_HASHES", kconfig.No, "--unset MODULE_HASHES", "Kconfig does not allow signing all modules with it")
			if v, ok := p.c.now.Get("MODULE_SIG_ALL"); ok && v != kconfig.Yes {
				p.lacks("MODULE_SIG_ALL", "--set MODULE_SIG_ALL=y", "in-tree modules are signed by it when they are installed")
			}
			if v, ok := p.c.now.Get(sigKey); ok && v.Text() != defaultSigKey {
				p.lacks(sigKey, "--set "+sigKey+":="+defaultSigKey, "only with this value the build makes a key")
			}
			if !p.c.is("SYSTEM_EXTRA_CERTIFICATE") { // a reserve into which one can be put later
				p.trusts()
			}
			p.enforces()
		}, signatureRules,
	}, {
		"permissive", "a start: everything loads, and what nothing vouches for taints the kernel, so that the log tells what enforcing would refuse; the image can be built again",
		func(p *profileCheck) {
			if !p.c.is("MODULE_HASHES") {
				p.yes("MODULE_SIG", "--set MODULE_SIG=y", "nothing is told about modules without it")
			}
			p.off("MODULE_SIG_FORCE", kconfig.No, "--unset MODULE_SIG_FORCE", "it refuses modules that nothing vouches for")
			for _, force := range []string{"INTEGRITY", "CONFIDENTIALITY"} {
				p.off("LOCK_DOWN_KERNEL_FORCE_"+force, kconfig.No, "--unset LOCK_DOWN_KERNEL_FORCE_"+force, "it refuses modules that nothing vouches for")
			}
			p.noBuildKey("--set " + sigKey + ":= --unset MODULE_SIG_ALL")
		}, []string{"key-pin", "key-path", "sign-without-key", "hashes-sig-all", "hashes-modsig"},
	}}
}

func profileNames() []string {
	var names []string
	for _, p := range profiles() {
		names = append(names, p.name)
	}
	return names
}

// profileList is for the help.
func profileList() string {
	var b strings.Builder
	for _, p := range profiles() {
		line := fmt.Sprintf("  %-10s", p.name)
		for word := range strings.FieldsSeq(p.what) {
			if len(line)+1+len(word) > 84 {
				fmt.Fprintf(&b, "%s\n", line)
				line = strings.Repeat(" ", 12)
			}
			line += " " + word
		}
		fmt.Fprintf(&b, "%s\n", line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (f *kconfigFlags) validateProfiles() error {
	if slices.Contains(f.check, "all") {
		f.check = profileNames()
	}
	for _, name := range f.check {
		if !slices.Contains(profileNames(), name) {
			return usageError("--check %s, want %s or all", name, strings.Join(profileNames(), ", "))
		}
	}
	return nil
}

// profileCheck collects what a configuration lacks.
type profileCheck struct {
	r       *kconfigRun
	c       *kconfigFile
	missing []string
	unknown []string // what could not be looked at
}

// lacks says what is missing, why it matters and what mends it.
func (p *profileCheck) lacks(symbol, edit, why string) {
	says := "no line says it"
	if v, ok := p.c.now.Get(symbol); ok {
		says = "it is " + kconfig.Redact(string(v))
	}
	p.missing = append(p.missing, fmt.Sprintf("CONFIG_%s: %s: %s (%s)", symbol, says, why, edit))
}

func (p *profileCheck) yes(symbol, edit, why string) {
	if !p.c.is(symbol) {
		p.lacks(symbol, edit, why)
	}
}

// off is for a symbol that is to be off, and what it is without a line.
func (p *profileCheck) off(symbol string, without kconfig.Value, edit, why string) {
	v, ok := p.c.now.Get(symbol)
	if !ok {
		v = without
	}
	if v != kconfig.No {
		p.lacks(symbol, edit, why)
	}
}

// noBuildKey: the build makes no key.
func (p *profileCheck) noBuildKey(edit string) {
	v, ok := p.c.now.Get(sigKey)
	if p.c.is("MODULE_SIG") && (!ok || v.Text() == defaultSigKey) {
		p.lacks(sigKey, edit, "the build makes a key, and its certificate makes each image another")
	}
}

// stableKey: signed in the build by a key that is given to it, or afterwards.
func (p *profileCheck) stableKey() {
	p.off("MODULE_HASHES", kconfig.No, "--unset MODULE_HASHES", "it is another profile")
	v, ok := p.c.now.Get(sigKey)
	if ok && v.Text() != "" && v.Text() != defaultSigKey {
		if all, ok := p.c.now.Get("MODULE_SIG_ALL"); ok && all != kconfig.Yes {
			p.lacks("MODULE_SIG_ALL", "--set MODULE_SIG_ALL=y", "the key is given to the build, which does not sign with it")
		}
		return
	}
	p.noBuildKey("--set " + sigKey + ":=, and sign after the build; or name a key or a pkcs11: URI")
	p.off("MODULE_SIG_ALL", kconfig.Yes, "--unset MODULE_SIG_ALL", "without a key in the build modules are signed after it")
	p.trusts()
}

// trusts: there is a certificate for out-of-tree modules, of a key that the kernel can
// use.
func (p *profileCheck) trusts() {
	v, _ := p.c.now.Get(trustedKeys)
	if v.Text() == "" || !v.IsString() {
		p.lacks(trustedKeys, "--trusted-key certs/NAME.pem", "the certificate for out-of-tree modules is a source of the build")
		return
	}
	certs, _, err := p.r.findCertificates(p.c, v.Text())
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(p.c.trees) == 0:
		p.unknown = append(p.unknown, "whether the kernel can use the keys of "+v.Text()+" is not known without its tree (--source)")
	case errors.Is(err, fs.ErrNotExist):
		p.lacks(trustedKeys, "--trusted-key certs/NAME.pem", "it is not in the tree "+strings.Join(p.c.trees, " or "))
	case err != nil:
		p.lacks(trustedKeys, "--trusted-key certs/NAME.pem", err.Error())
	}
	var told []string
	for _, der := range certs {
		if needs := algorithmOf(der); needs != "" && !p.c.is(needs) && !slices.Contains(told, needs) {
			told = append(told, needs)
			p.lacks(needs, "--set "+needs+"=y", "the key of a certificate in "+v.Text()+" needs it built in")
		}
	}
}

func (p *profileCheck) enforces() {
	p.yes("MODULE_SIG_FORCE", "--set MODULE_SIG_FORCE=y", "modules that nothing vouches for are loaded, unless the command line says module.sig_enforce=1")
}

// checkProfiles says what each file lacks for each profile.
func (a *app) checkProfiles(r *kconfigRun) error {
	exit := exitOK
	for _, c := range r.files {
		for _, p := range profiles() {
			if !slices.Contains(r.flags.check, p.name) {
				continue
			}
			missing, unknown := r.missing(c, p)
			for _, what := range unknown {
				if !a.quiet {
					a.warn("%s: profile %s: %s", c.path, p.name, what)
				}
			}
			if len(missing) == 0 {
				fmt.Fprintln(a.stdout, report.Safe(c.path+": profile "+p.name+": nothing is missing"))
				continue
			}
			exit = exitFinding
			n := plural(len(missing), "thing") + " are missing"
			if len(missing) == 1 {
				n = "1 thing is missing"
			}
			fmt.Fprintln(a.stdout, report.Safe(c.path+": profile "+p.name+": "+n))
			for _, m := range missing {
				fmt.Fprintln(a.stdout, "  "+report.Safe(m))
			}
		}
	}
	return code(exit)
}

func (r *kconfigRun) missing(c *kconfigFile, p profile) (missing, unknown []string) {
	x := &profileCheck{r: r, c: c}
	if v, ok := c.now.Get("MODULES"); ok && v != kconfig.Yes {
		x.lacks("MODULES", "--set MODULES=y", "the kernel loads no modules")
		return x.missing, nil
	}
	p.check(x)
	for _, f := range lint.Check(&lint.Input{Config: c.now}).Findings {
		if slices.Contains(p.rules, f.Rule) && f.Severity != lint.Note {
			x.missing = append(x.missing, fmt.Sprintf("%s: %s: %s", cmp.Or(f.Symbol, f.Rule), f.Found, f.Fix))
		}
	}
	return x.missing, x.unknown
}
