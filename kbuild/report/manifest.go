// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"

	"github.com/modhash/modhash/hashset"
)

// ManifestSchema names the JSON form of a manifest and its version. It is an
// output form only: what is signed, compared and read back is the text.
const ManifestSchema = "modhash.manifest/1"

type manifestDoc struct {
	Schema  string              `json:"schema"`
	Release string              `json:"release"`
	Arch    string              `json:"arch"`
	Digest  string              `json:"digest"`
	Image   hashset.ImageDigest `json:"image"`
	Hashset hashset.Scheme      `json:"hashset"`
	Root    *manifestRoot       `json:"root,omitempty"`
	Modules []manifestModule    `json:"modules"`
}

type manifestRoot struct {
	Levels *uint32        `json:"levels,omitempty"`
	Hash   hashset.Digest `json:"sha256"`
}

type manifestModule struct {
	Pos    int            `json:"pos"`
	Name   string         `json:"name"`
	Digest hashset.Digest `json:"sha256"`
}

// ManifestJSON writes the content of a manifest as JSON.
func ManifestJSON(w io.Writer, m *hashset.Manifest) error { return writeJSON(w, newManifestDoc(m)) }

func newManifestDoc(m *hashset.Manifest) manifestDoc {
	doc := manifestDoc{
		Schema: ManifestSchema, Release: m.Release, Arch: m.Arch, Digest: "sha256", Image: m.Image, Hashset: m.Scheme,
		Modules: make([]manifestModule, len(m.Entries)),
	}
	switch m.Scheme {
	case hashset.Merkle:
		doc.Root = &manifestRoot{&m.Root.Levels, m.Root.Hash}
	case hashset.Flat:
		doc.Root = &manifestRoot{nil, m.Root.Hash}
	}
	for i, e := range m.Entries {
		doc.Modules[i] = manifestModule{i, e.Name, e.Digest}
	}
	return doc
}
