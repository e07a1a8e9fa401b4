// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kconfig"
)

// A ContradictionError says why a configuration cannot be that of an image.
type ContradictionError struct{ Reason string }

func (e *ContradictionError) Error() string {
	return "the configuration is not that of the image: " + e.Reason
}

// contradiction compares what a configuration says with what is seen in the image;
// k has been scanned. Rules that were asked for go before both.
func (k *Kernel) contradiction(s *Sources) error {
	is := func(name string) bool { v, _ := s.Config.Get(name); return v == kconfig.Yes }
	img := s.Image
	reason := ""
	hashes, symbols := is("MODULE_HASHES"), img.Kind() == image.ELF || img.SymbolsFrom != ""
	_, version := s.Config.Version()
	switch {
	case series(version) != "" && series(img.Release) != "" && series(version) != series(img.Release):
		reason = fmt.Sprintf("it is of Linux %.40q, the image is of %.80q", version, img.Release)
	case s.Rules != Mainline && img.Hashset != nil && !hashes:
		reason = "it does not set CONFIG_MODULE_HASHES, and the image has a hashset"
	case s.Rules != Mainline && img.Hashset == nil && symbols && hashes:
		reason = "it sets CONFIG_MODULE_HASHES, and the image has no hashset"
	case k.refuses && img.Hashset == nil && !hashes && !is("MODULE_SIG"):
		reason = "it does not set CONFIG_MODULE_SIG, and the image has the messages of the check of signatures"
	case img.Trusted != nil && img.Trusted.ModuleSize > 0 && !is("MODULE_SIG") && !is("IMA_APPRAISE_MODSIG"):
		reason = "it does not set CONFIG_MODULE_SIG, and the image has the certificate of a key to sign modules with"
	default:
		if reason = k.otherVermagic(is); reason == "" {
			reason = otherConfig(img.Config, s.Config)
		}
	}
	if reason == "" {
		return nil
	}
	return &ContradictionError{reason}
}

// series is the "6.12" of a version.
func series(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	if major == "" || strings.Trim(major, "0123456789") != "" || end == 0 {
		return ""
	}
	return major + "." + rest[:end]
}

// otherVermagic compares the words of the vermagic in the image that every kernel
// takes from the same symbol.
func (k *Kernel) otherVermagic(is func(string) bool) string {
	if k.Vermagic == "" {
		return ""
	}
	words := " " + strings.TrimPrefix(k.Vermagic, k.Release+" ") + " "
	for _, w := range []struct{ word, symbol string }{{"SMP", "SMP"}, {"mod_unload", "MODULE_UNLOAD"}, {"modversions", "MODVERSIONS"}} {
		switch has := strings.Contains(words, " "+w.word+" "); {
		case has && !is(w.symbol):
			return fmt.Sprintf("it does not set CONFIG_%s, and the image's vermagic has %s", w.symbol, w.word)
		case !has && is(w.symbol):
			return fmt.Sprintf("it sets CONFIG_%s, and the image's vermagic lacks %s", w.symbol, w.word)
		}
	}
	return ""
}

// otherConfig compares with the configuration that is embedded in the image, of which
// text is nil if there is none.
func otherConfig(text []byte, given *kconfig.File) string {
	if text == nil {
		return ""
	}
	own, err := kconfig.Parse(text)
	if err != nil {
		return "" // it is damaged, and not used otherwise
	}
	for _, name := range []string{"MODULES", "MODULE_SIG", "MODULE_HASHES", "MODULE_SIG_FORCE", "SECURITY_LOCKDOWN_LSM",
		"MODULE_FORCE_LOAD", "MODVERSIONS", "MODULE_DECOMPRESS"} {
		a, _ := own.Get(name)
		b, _ := given.Get(name)
		if a.On() != b.On() {
			return "the one that is embedded there has another CONFIG_" + name
		}
	}
	return ""
}
