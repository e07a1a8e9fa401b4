// SPDX-License-Identifier: Apache-2.0

// Package lint says what will make a kernel build irreproducible or its module
// hashes useless: before the build, by its .config, its environment and its
// tree; and after it, by strings in the built files that tell where, when and by
// whom it was built.
//
// A rule looks at one thing. It finds something, finds nothing, or cannot tell
// because a fact is missing, and says which. A rule never guesses: of a .config
// it knows what Kconfig would read from it, but not what Kconfig would change in
// it, so it should be one that Kconfig has written.
//
// Sources: Documentation/kbuild/reproducible-builds.rst, certs/Makefile,
// kernel/module/Kconfig, scripts/Makefile.btf, scripts/basic/Makefile,
// init/Makefile and kernel/gen_kheaders.sh of Linux 6.12; for MODULE_HASHES the
// "module: Introduce hash-based integrity checking" series.
package lint

import (
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
)

// Severity says what a finding means. Its text is stable.
type Severity string

const (
	// Error: a second build differs, or the kernel cannot do what it is to do.
	Error Severity = "error"
	// Warning: so it is under circumstances that a lint cannot see, such as a
	// build in another folder.
	Warning Severity = "warning"
	// Note: to be told, but no finding.
	Note Severity = "note"
)

// Input is what is known about a build. Only Config must be given.
type Input struct {
	Config *kconfig.File
	Env    *Env  // nil: not known
	Tree   *Tree // nil: not known
	// SigHash and SigKey are what out-of-tree modules are signed with: the
	// hash as MODULE_SIG_HASH names it ("sha512"), and "rsa", "ecdsa" or
	// "mldsa". "" is what the configuration says about its own key.
	SigHash, SigKey string
	// Compressions of the installed modules: "gzip", "xz", "zstd". Empty: what
	// the configuration says.
	Compressions []string
}

// Env is what the build gets from its environment or from make's command line.
// To Kbuild an empty variable is an unset one.
type Env struct {
	Timestamp       string // KBUILD_BUILD_TIMESTAMP
	User            string // KBUILD_BUILD_USER
	Host            string // KBUILD_BUILD_HOST
	Version         string // KBUILD_BUILD_VERSION
	InstallModStrip string // INSTALL_MOD_STRIP
	KCFLAGS         string
	KAFLAGS         string
	KRUSTFLAGS      string
	PaholeFlags     string // PAHOLE_FLAGS, which only make's command line can set
	// RandstructSeed is the content that scripts/basic/randstruct.seed is to
	// have, if the builder publishes it.
	RandstructSeed string
}

// Finding is what a rule found.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Symbol is what it is about: CONFIG_NAME or a variable of the environment;
	// "" for a built file, or a line that names no symbol.
	Symbol string `json:"symbol,omitempty"`
	Line   int    `json:"line,omitempty"` // of the .config, counted from 1; 0 if no line says it
	File   string `json:"file,omitempty"` // a built file
	Found  string `json:"found"`
	Why    string `json:"why"`
	Fix    string `json:"fix"`
}

func (f Finding) String() string {
	s := string(f.Severity) + ": " + f.Rule
	for _, where := range []string{f.File, f.Symbol} {
		if where != "" {
			s += ": " + where
		}
	}
	if f.Line != 0 {
		s += fmt.Sprintf(" (line %d)", f.Line)
	}
	return s + ": " + f.Found
}

// Unknown is a rule that could not tell, or a file that could not be read.
type Unknown struct {
	Rule   string `json:"rule"`
	File   string `json:"file,omitempty"`
	Reason string `json:"reason"` // what is missing, and how to give it
}

func (u Unknown) String() string {
	if u.File != "" {
		return u.Rule + ": " + u.File + ": " + u.Reason
	}
	return u.Rule + ": " + u.Reason
}

// Report is what the rules said, in the order of [Rules].
type Report struct {
	Findings []Finding `json:"findings"`
	Unknown  []Unknown `json:"unknown"`
}

// Worst returns the gravest severity of the findings; "" if there are none.
func (r *Report) Worst() Severity {
	var worst Severity
	for _, f := range r.Findings {
		if f.Severity == Error || worst == "" || worst == Note {
			worst = f.Severity
		}
		if worst == Error {
			break
		}
	}
	return worst
}

// Rule is a rule as the documentation lists it.
type Rule struct {
	ID  string `json:"id"`  // stable
	Why string `json:"why"` // why it matters

	check func(*run) // nil: a rule about built files
}

// Rules returns all rules in the order of reports.
func Rules() []Rule {
	var all []Rule
	for _, family := range [][]Rule{configRules, keyRules, hashRules, loadRules, environmentRules, randomRules, pathRules, leakRules} {
		all = append(all, family...)
	}
	return all
}

// Check applies the rules about configuration, environment and tree.
func Check(in *Input) *Report {
	rep := &Report{}
	for _, rule := range Rules() {
		if rule.check != nil {
			rule.check(&run{in, rule, rep})
		}
	}
	return rep
}

// run is one rule at work.
type run struct {
	*Input
	rule   Rule
	report *Report
}

// found reports a finding about a symbol of the configuration.
func (r *run) found(sev Severity, symbol, fix, format string, args ...any) {
	r.add(Finding{Severity: sev, Symbol: "CONFIG_" + symbol, Line: r.Config.Line(symbol), Fix: fix, Found: fmt.Sprintf(format, args...)})
}

// foundEnv reports a finding about a variable of the environment.
func (r *run) foundEnv(sev Severity, variable, fix, format string, args ...any) {
	r.add(Finding{Severity: sev, Symbol: variable, Fix: fix, Found: fmt.Sprintf(format, args...)})
}

func (r *run) add(f Finding) {
	f.Rule, f.Why = r.rule.ID, r.rule.Why
	r.report.Findings = append(r.report.Findings, f)
}

func (r *run) unknown(format string, args ...any) {
	r.report.Unknown = append(r.report.Unknown, Unknown{Rule: r.rule.ID, Reason: fmt.Sprintf(format, args...)})
}

// is reports whether a bool symbol is y.
func (r *run) is(symbol string) bool {
	v, _ := r.Config.Get(symbol)
	return v == kconfig.Yes
}

// on reports whether a tristate symbol is y or m.
func (r *run) on(symbol string) bool {
	v, _ := r.Config.Get(symbol)
	return v.On()
}

// says returns a symbol's value as the file writes it, for people.
func (r *run) says(symbol string) string {
	v, ok := r.Config.Get(symbol)
	switch {
	case !ok:
		return "the file does not set it"
	case v == kconfig.No:
		return "it is not set"
	case v.IsString():
		return "it is " + quote(v.Text())
	}
	return "it is " + strings.Trim(quote(string(v)), `"`) // a number may be as long as the file
}

// text returns the value of a string symbol.
func (r *run) text(symbol string) (string, bool) {
	v, ok := r.Config.Get(symbol)
	return v.Text(), ok && v.IsString()
}

// modules reports whether the kernel has loadable modules. Fragments may leave
// the symbol out.
func (r *run) modules() bool {
	v, ok := r.Config.Get("MODULES")
	return !ok || v == kconfig.Yes
}

// signed reports whether the kernel checks signatures of modules.
func (r *run) signed() bool { return r.modules() && r.is("MODULE_SIG") }

// hashed reports whether the kernel checks hashes of modules.
func (r *run) hashed() bool { return r.modules() && r.is("MODULE_HASHES") }

// hasKey reports whether the build deals with a signing key at all.
func (r *run) hasKey() bool {
	return r.signed() || r.modules() && r.is("IMA_APPRAISE_MODSIG")
}

// signsAll reports whether modules are signed when they are installed. Kconfig's
// default is y.
func (r *run) signsAll() bool {
	v, ok := r.Config.Get("MODULE_SIG_ALL")
	return r.hasKey() && (!ok || v == kconfig.Yes)
}
