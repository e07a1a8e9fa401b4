// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var edited = compare.Cause{ID: "change.edited", Class: compare.CodeChange, Title: "content that differs under one build id: edited after it was linked"}

var editedCauses = []*compare.Cause{&edited}

// fromBuild are the causes that a build leaves before it computes the build id,
// which covers all that is linked. Without another build id they are not to blame.
var fromBuild = map[*compare.Cause]bool{
	&release: true, &vermagicFlags: true, &randstruct: true, &srcversion: true, &modinfoFlag: true, &modinfoOrder: true,
	&buildSalt: true, &lto: true, &property: true, &pathString: true, &timestamp: true, &releaseString: true, &compiler: true,
	&symbolCRC: true, &stringSection: true, &pathDebug: true, &producer: true, &options: true, &importOrder: true, &orderOfCode: true,
	&lineNumbers: true, &hardening: true, &orcFormat: true, &moduleStruct: true, &promotedName: true,
}

// sameBuildID: both sides have a build id, and it is the same.
func (p *pair) sameBuildID() bool {
	a, b := buildIDOf(p.A.ELF), buildIDOf(p.B.ELF)
	return len(a) > 0 && bytes.Equal(a, b)
}

// buildIDOf is the section that holds the build id; nil if there is none.
func buildIDOf(f *units.File) []byte {
	if f == nil {
		return nil
	}
	s := f.Section(".note.gnu.build-id")
	if s == nil || s.Type != 7 {
		return nil
	}
	return f.Data(s)
}
