// SPDX-License-Identifier: Apache-2.0

package load

import (
	"slices"
	"strings"

	"github.com/modhash/modhash/modsig"
)

// policy is what becomes of the internal results in each mode.
func (d *decision) policy() {
	var errnos []Errno
	for _, m := range Modes() {
		for _, e := range d.inMode(m) {
			if !slices.Contains(errnos, e) {
				errnos = append(errnos, e)
			}
		}
	}
	d.stages = append(d.stages, stage{Step: Step{"policy", d.policyText(), errnos}, in: d.inMode})
}

func (d *decision) inMode(m Mode) []Errno {
	var out []Errno
	for _, o := range d.auth.outcomes {
		if e := d.k.decide(o, m); !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// decide is the kernel's answer to an internal result. Whether it enforces or is
// locked down is what the mode says, unless its configuration rules that out.
func (k *Kernel) decide(o outcome, m Mode) Errno {
	switch {
	case !o.soft():
		return o.errno
	case k.enforces(m):
		return modsig.EKEYREJECTED
	case (m == Lockdown || m == Both || k.LockedDown == Yes) && k.Lockdown != No:
		return ePerm
	}
	return success
}

func (k *Kernel) enforces(m Mode) bool {
	return m == Enforcing || m == Both || k.Enforced == Yes
}

func (d *decision) policyText() string {
	var all []string
	soft := false
	for _, o := range d.auth.outcomes {
		soft = soft || o.soft()
		s := ""
		switch {
		case o.unchecked:
			s = "the kernel authenticates no modules"
		case o.errno == success:
			s = "authenticated"
		case o.errno == unknown:
			s = "it is not known whether it is authenticated"
		case !o.soft():
			s = "refused in every mode (" + string(o.errno) + ")"
		default:
			s = "not authenticated (" + string(o.errno) + "): " + reason(o.errno)
		}
		all = append(all, s)
	}
	text := strings.Join(all, "; or ")
	switch {
	case soft && d.k.Enforced == Yes:
		text += "; this kernel always enforces (CONFIG_MODULE_SIG_FORCE)"
	case soft && d.k.LockedDown == Yes && d.k.Lockdown != No:
		text += "; this kernel is always locked down (CONFIG_LOCK_DOWN_KERNEL_FORCE_…)"
	}
	return text
}

// reason is how the kernel calls the soft results.
func reason(e Errno) string {
	switch e {
	case modsig.ENOPKG:
		return "module with unsupported crypto"
	case modsig.ENOKEY:
		return "module with unavailable key"
	}
	return "unsigned module"
}

// policyLog is what the kernel logs when the policy refuses a module.
func (d *decision) policyLog(m Mode) string {
	if len(d.auth.outcomes) != 1 {
		return ""
	}
	o := d.auth.outcomes[0]
	switch {
	case o.soft() && d.k.enforces(m):
		prefix := ""
		if d.k.Rules == Hashes && d.k.Words == PatchWords {
			prefix = "module: "
		}
		return prefix + "Loading of " + reason(o.errno) + " is rejected"
	case o.soft():
		return "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7"
	}
	return ""
}

// tainting is what the kernel logs of the taints F, O and E, each line once, of the
// first module that gives it.
func (d *decision) tainting(taint string) (log []string) {
	if d.forced == Yes {
		log = append(log, d.mod.name+": "+d.forcedBy+": kernel tainted.")
	}
	if strings.Contains(taint, "O") {
		log = append(log, d.mod.name+": loading out-of-tree module taints kernel.")
	}
	if strings.Contains(taint, "E") {
		what := "verification"
		if d.k.Rules == Hashes || d.k.series {
			what = "authentication"
		}
		log = append(log, d.mod.name+": module "+what+" failed: signature and/or required key missing - tainting kernel")
	}
	return log
}

// free are the licences that do not taint (include/linux/license.h).
var free = []string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}

func (m *module) proprietary() bool {
	licence, ok := m.info("license")
	return !ok || !slices.Contains(free, licence)
}

// taint is what a module that loads is marked with.
func (d *decision) taint() string {
	letters := ""
	if d.mod.proprietary() {
		letters += "P"
	}
	if _, ok := d.mod.info("intree"); !ok {
		letters += "O"
	}
	for key, letter := range map[string]string{"staging": "C", "livepatch": "K", "test": "N"} {
		if _, ok := d.mod.info(key); ok {
			letters += letter
		}
	}
	marks := map[bool]bool{}
	for _, o := range d.auth.outcomes {
		marks[o.soft()] = true
	}
	if d.forced == Maybe || len(marks) > 1 {
		return string(unknown)
	}
	if d.forced == Yes {
		letters += "F"
	}
	if marks[true] {
		letters += "E"
	}
	return orderTaints(letters)
}
