// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"strconv"

	"github.com/modhash/modhash/kbuild/kconfig"
)

var configRules = []Rule{{
	ID:    "config-line",
	Why:   "Kconfig ignores the line, or reads it otherwise than it looks, so the kernel is not built as the file seems to say",
	check: configLine,
}}

func configLine(r *run) {
	for _, p := range r.Config.Problems() {
		f := Finding{Severity: Warning, Line: p.Line, Found: string(p.Kind) + ": " + p.Detail, Fix: "mend or remove the line, or run the kernel's `make olddefconfig`"}
		if p.Symbol != "" {
			f.Symbol = "CONFIG_" + p.Symbol
		}
		if p.Kind == kconfig.Duplicate {
			f.Fix = "leave one line of the symbol"
		}
		r.add(f)
	}
}

// quote makes text of a hostile file fit for a message that is published.
func quote(s string) string {
	const most = 200
	if s = kconfig.Redact(s); len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
