// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/modsig"
)

const ofThisBuild = "the hashset admits the module, so it is of this kernel's build"

// force is the kernel's try_to_force_load: a module without what would be compared
// loads with CONFIG_MODULE_FORCE_LOAD only. reason is what the kernel logs of it.
func (d *decision) force(errno Errno, reason string) []Errno {
	switch d.k.ForceLoad {
	case Yes:
		if d.forced != Yes {
			d.forced, d.forcedBy = Yes, reason
		}
		return []Errno{success}
	case No:
		return []Errno{errno}
	}
	if d.forced == No {
		d.forced = Maybe
	}
	return []Errno{success, errno}
}

// ignores reports whether the checksums of the module are to be ignored.
func (d *decision) ignores() bool { return d.flags&IgnoreModversions != 0 }

// version compares the checksum of a symbol as the kernel's check_version does.
// refusal is the errno of its caller.
func (d *decision) version(name string, crc uint32, refusal Errno) (errnos []Errno, log string) {
	m := d.mod
	if m.extended && !d.ignores() {
		if got, ok := m.extCRCs[name]; ok && got != uint64(crc) {
			return []Errno{refusal}, fmt.Sprintf("%s: disagrees about version of symbol %s", m.name, name)
		}
		return []Errno{success}, ""
	}
	if !m.hasCRCs || d.ignores() {
		return d.force(refusal, name), ""
	}
	got, ok := m.crcs[name]
	switch {
	case !ok:
		return []Errno{refusal}, fmt.Sprintf("%s: no symbol version for %s", m.name, name)
	case got != uint64(crc):
		return []Errno{refusal}, fmt.Sprintf("%s: disagrees about version of symbol %s", m.name, name)
	}
	return []Errno{success}, ""
}

// layout compares the checksum of module_layout, which stands for the structures
// that kernel and modules share.
func (d *decision) layout() {
	const name, layout = "versions", "module_layout"
	switch {
	case d.k.Versions == No:
		return
	case d.k.Versions == Maybe:
		if !d.auth.own {
			d.add(name, "", []Errno{success, eNoExec}, "it is not known whether the kernel compares checksums of symbols (CONFIG_MODVERSIONS)")
		}
		return
	case d.k.Symbols == nil || d.k.Symbols.byName[layout] == (symbol{}):
		if d.auth.own && !d.ignores() {
			d.pass(name, "%s", ofThisBuild)
			return
		}
		d.add(name, "", []Errno{success, eNoExec}, "the kernel's checksum of module_layout is not known: Module.symvers has it")
		return
	}
	errnos, log := d.version(layout, d.k.Symbols.byName[layout].crc, eNoExec)
	text := "module_layout has the kernel's checksum"
	if log != "" {
		text = log
	} else if d.ignores() || !d.mod.hasCRCs && !d.mod.extended {
		text = "the module's checksums are ignored, or it has none: taken with CONFIG_MODULE_FORCE_LOAD only"
	}
	d.add(name, log, errnos, "%s", text)
}

// vermagic compares the vermagic as the kernel's check_modinfo does.
func (d *decision) vermagic() {
	const name = "vermagic"
	got, ok := d.mod.info(name)
	if !ok || d.flags&IgnoreVermagic != 0 {
		d.add(name, "", d.force(eNoExec, "bad vermagic"), "the module has none, or it is ignored: taken with CONFIG_MODULE_FORCE_LOAD only")
		return
	}
	release, _, _ := strings.Cut(got, " ")
	skips := d.k.Versions // the kernel passes the release over if both have checksums
	if !d.mod.hasCRCs || d.ignores() {
		skips = No
	}
	errnos, want := d.sameMagic(got, skips)
	log := ""
	switch {
	case want == "" && slices.Contains(errnos, success):
		if d.auth.own {
			d.pass(name, "%s", ofThisBuild)
			return
		}
		d.add(name, "", errnos, "%q: the kernel's is not known but for its release %s", got, d.k.Release)
		return
	case want == "":
		want = d.k.Release + " …"
	}
	text := fmt.Sprintf("%q, as the kernel's", got)
	if !slices.Contains(errnos, success) || len(errnos) > 1 {
		text = fmt.Sprintf("%q, the kernel's is %q", got, want)
		log = fmt.Sprintf("%s: version magic '%s' should be '%s'", d.mod.name, got, want)
	} else if release != d.k.Release {
		text += " but for the release, in whose place checksums are compared"
	}
	d.add(name, log, errnos, "%s", text)
}

// sameMagic is the kernel's same_magic, for all that is possible; want is the
// kernel's vermagic, "" if it is not known.
func (d *decision) sameMagic(got string, skips Fact) (errnos []Errno, want string) {
	want = d.k.Vermagic
	add := func(e Errno) {
		if !slices.Contains(errnos, e) {
			errnos = append(errnos, e)
		}
	}
	release, _, _ := strings.Cut(got, " ")
	for _, skip := range skips.values() {
		switch {
		case want == "" && (skip || release == d.k.Release || d.k.Release == ""):
			add(success)
			add(eNoExec)
		case want == "":
			add(eNoExec)
		case skip && got[strings.IndexByte(got+" ", ' '):] == want[strings.IndexByte(want+" ", ' '):], !skip && got == want:
			add(success)
		default:
			add(eNoExec)
		}
	}
	return errnos, want
}

// symbols looks up what the module needs.
func (d *decision) symbols() {
	m := d.mod
	if len(m.undefined) == 0 {
		return
	}
	if d.k.Symbols == nil && !slices.ContainsFunc(m.undefined, func(n needed) bool { return n.refusal != "" }) {
		switch {
		case d.auth.own && d.flags == d.flags&CompressedFile:
			d.pass("symbols", "%s", ofThisBuild)
		case d.weakOnly():
			d.pass("symbols", "it needs none")
		default:
			d.add("symbols", "", []Errno{success, eNoEnt, modsig.EINVAL}, "%s: what the kernel exports is not known: Module.symvers has it", plural(len(m.undefined), "undefined symbol"))
		}
		return
	}
	var wrong []lookup
	for _, n := range m.undefined {
		l := d.lookup(n)
		if len(wrong) >= mostNamed {
			l.text = "" // there may be a million
		}
		if len(wrong) >= mostLogged {
			l.log = nil
		}
		if len(l.errnos) > 0 {
			wrong = append(wrong, l)
		}
	}
	d.resolved(wrong)
}

func (d *decision) weakOnly() bool {
	return !slices.ContainsFunc(d.mod.undefined, func(n needed) bool { return !n.weak && !d.ignored(n.name) })
}

// resolved sums up. The kernel goes on after a symbol that it refuses and answers
// with the errno of the last one.
func (d *decision) resolved(wrong []lookup) {
	if len(wrong) == 0 {
		d.pass("symbols", "all %d are exported", len(d.mod.undefined))
		return
	}
	var errnos []Errno
	may := true
	for i := len(wrong) - 1; i >= 0; i-- {
		for _, e := range wrong[i].errnos {
			if e != success && !slices.Contains(errnos, e) {
				errnos = append(errnos, e)
			}
		}
		if !slices.Contains(wrong[i].errnos, success) {
			may = false // earlier ones do not matter
			break
		}
	}
	if may {
		errnos = append(errnos, success)
	}
	var texts []string
	for _, l := range wrong[:min(len(wrong), mostNamed)] {
		texts = append(texts, l.text)
	}
	text := strings.Join(texts, "; ")
	if n := len(wrong) - mostNamed; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	d.add("symbols", "", errnos, "%s", text)
	last := &d.stages[len(d.stages)-1]
	for _, l := range wrong {
		last.log = append(last.log, l.log...)
	}
}

// mostNamed is how many symbols are named that are not as they should be, and
// mostLogged of how many it is told what the kernel logs.
const mostNamed, mostLogged = 3, 100

// lookup is what is wrong with a symbol; no errnos if nothing is. The log has why, if
// there is more to say than that it is not known, and then that.
type lookup struct {
	errnos []Errno
	text   string
	log    []string
}

// refused is what the kernel logs of a symbol that it does not take: why, and then
// what simplify_symbols says of each, with the number of the errno.
func (d *decision) refused(name, why string, errno int) []string {
	return append(nonEmpty(why), fmt.Sprintf("%s: Unknown symbol %s (err -%d)", d.mod.name, name, errno))
}

// ignored are symbols that the kernel does not look up.
func (d *decision) ignored(name string) bool {
	return (d.mod.machine == "x86_64" || d.mod.machine == "i386") && name == "_GLOBAL_OFFSET_TABLE_"
}

func (d *decision) lookup(n needed) lookup {
	name := n.name
	switch {
	case n.refusal != "":
		return lookup{[]Errno{eNoExec}, strings.TrimPrefix(fmt.Sprintf("%s: %s", name, n.refusal), name+": Symbol "), []string{d.mod.name + ": " + n.refusal}}
	case d.k.Symbols == nil && (n.weak || d.ignored(name)):
		return lookup{}
	case d.k.Symbols == nil:
		return lookup{[]Errno{success, eNoEnt, modsig.EINVAL}, "what the kernel exports is not known: Module.symvers has it", nil}
	}
	if strings.HasPrefix(d.mod.machine, "ppc64") { // function descriptors, and the table of contents
		if name == ".TOC." {
			return lookup{}
		}
		name = strings.TrimPrefix(name, ".")
	}
	x, ok := d.k.Symbols.byName[name]
	ok = ok && x.module() != d.mod.name // what it exports itself is not there yet
	if hidden := ok && x.gpl && d.mod.proprietary(); !ok || hidden {
		if n.weak || d.ignored(name) {
			return lookup{}
		}
		text := name + " is not exported"
		if hidden {
			text = name + " is exported to modules under the GPL only"
		}
		return lookup{[]Errno{eNoEnt}, text, d.refused(name, "", 2)}
	}
	if d.k.Versions != No {
		errnos, log := []Errno{success, modsig.EINVAL}, ""
		if d.k.Versions == Yes {
			errnos, log = d.version(name, x.crc, modsig.EINVAL)
		}
		if !slices.Equal(errnos, []Errno{success}) {
			text := name + " may have another checksum"
			if log != "" {
				text = strings.TrimPrefix(log, d.mod.name+": ")
			}
			return lookup{errnos, text, d.refused(name, log, 22)}
		}
	}
	return d.namespace(name, x)
}

// namespace asks whether the module imports the namespace of a symbol.
func (d *decision) namespace(name string, x symbol) lookup {
	if x.namespace == "" || d.k.AnySpace == Yes || d.granted(x.namespace) || slices.Contains(d.mod.modinfo, "import_ns="+x.namespace) {
		return lookup{}
	}
	errnos := []Errno{modsig.EINVAL}
	if d.k.AnySpace == Maybe {
		errnos = append(errnos, success)
	}
	why := fmt.Sprintf("%s: module uses symbol (%s) from namespace %s, but does not import it.", d.mod.name, name, x.namespace)
	return lookup{errnos, fmt.Sprintf("%s is of namespace %s, which the module does not import", name, x.namespace), d.refused(name, why, 22)}
}

// granted is the kernel's verify_module_namespace: "module:a,b-*".
func (d *decision) granted(namespace string) bool {
	list, ok := strings.CutPrefix(namespace, "module:")
	if !ok {
		return false
	}
	own := strings.ReplaceAll(d.mod.name, "-", "_")
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, glob := strings.CutSuffix(pattern, "*")
		pattern = strings.ReplaceAll(pattern, "-", "_")
		if pattern == own || glob && strings.HasPrefix(own, pattern) {
			return true
		}
	}
	return false
}
