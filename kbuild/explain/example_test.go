// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"fmt"

	"github.com/modhash/modhash/kbuild/explain"
)

// The ids are stable: what reports and files of expected differences name today
// keeps its meaning.
func ExampleCauses() {
	for _, c := range explain.Causes() {
		line := fmt.Sprint(c.ID, " ", c.Class)
		if c.Local {
			line += " local"
		}
		fmt.Println(line)
	}
	// Output:
	// btf.kernel root
	// btf.order root local
	// build-id derived-unverified local
	// build-salt root local
	// change.btf change
	// change.code change
	// change.code-table change
	// change.data change
	// change.debug change
	// change.edited change
	// change.exports change
	// change.header change
	// change.imports change
	// change.modinfo change
	// change.name change
	// change.orc change
	// change.reference change
	// change.relocation change
	// change.section change
	// change.string change
	// change.symbol change
	// compression.compressor root local
	// compression.content derived-unverified local
	// compression.debug root local
	// compression.format root local
	// compression.gzip-name root local
	// compression.gzip-system root local
	// compression.gzip-time root local
	// compression.level root local
	// compression.sums derived local
	// compression.xz-blocks root local
	// compression.xz-check root local
	// compression.xz-dict root local
	// compression.xz-filter root local
	// compression.zstd-frame root local
	// debug-link derived-unverified local
	// layout.btf derived local
	// layout.btf-ids derived local
	// layout.code-table derived-unverified local
	// layout.numbered-name derived local
	// layout.offsets derived local
	// layout.orc derived-unverified local
	// layout.order root
	// layout.padding derived local
	// layout.relocation derived local
	// layout.relocation-order derived local
	// layout.relocation-target derived-unverified local
	// layout.section-order root local
	// layout.string-order derived local
	// layout.string-section derived local
	// layout.symbol derived local
	// layout.symbol-order derived local
	// line-numbers root local
	// lto root
	// modinfo.flag root local
	// modinfo.order root local
	// modinfo.srcversion root local
	// modinfo.vermagic-flags root
	// module-struct root
	// modversions.crc root local
	// modversions.order derived local
	// path.debug root local
	// path.string root local
	// proof derived-unverified local
	// randstruct root
	// record.config root
	// record.packages root
	// record.path root
	// record.timestamp root
	// record.toolchain root
	// signature.algorithm root local
	// signature.form root local
	// signature.hash root local
	// signature.key root local
	// signature.nonce root local
	// signature.presence root local
	// signature.stacked root local
	// signature.value derived-unverified local
	// strip root local
	// thinlto.name root local
	// timestamp.string root local
	// toolchain.compiler root
	// toolchain.hardening root
	// toolchain.options root
	// toolchain.orc root
	// toolchain.producer root
	// toolchain.property root
	// trailer.kind root local
	// trailer.size derived local
	// version.release root local
	// version.string root local
}
