// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/load"
)

// LoadSchema names the JSON form of an answer about loading, and its version.
const LoadSchema = "modhash.check-load/1"

type loadDoc struct {
	Schema  string          `json:"schema"`
	Verdict LoadVerdict     `json:"verdict"`
	Kernel  loadKernelDoc   `json:"kernel"`
	Modes   []load.Mode     `json:"modes"`
	Modules []loadModuleDoc `json:"modules"`
}

type loadKernelDoc struct {
	Path       text           `json:"path"`
	Rules      load.Rules     `json:"rules"`
	Words      load.Words     `json:"log_words,omitempty"` // of module hashes; found in the image
	Release    text           `json:"release,omitempty"`
	Arch       string         `json:"arch,omitempty"`
	Vermagic   text           `json:"vermagic,omitempty"`
	Signatures load.Fact      `json:"module_sig"`
	Hashes     load.Fact      `json:"module_hashes"`
	Enforced   load.Fact      `json:"module_sig_force"`
	LockedDown load.Fact      `json:"lock_down_kernel_force"`
	Hashset    hashset.Scheme `json:"hashset,omitempty"`
	Root       *merkleDoc     `json:"root,omitempty"`
	Keys       []text         `json:"trusted_keys"`
	Symbols    *int           `json:"exported_symbols,omitempty"`
}

type loadModuleDoc struct {
	Path          text            `json:"path"`
	Name          text            `json:"name,omitempty"`
	Compression   string          `json:"compression"`
	Verdict       LoadVerdict     `json:"verdict"`
	Authenticated load.Fact       `json:"authenticated"`
	Internal      []string        `json:"internal"` // "0" is an authenticated module
	Steps         []loadStepDoc   `json:"steps"`
	Answers       []loadAnswerDoc `json:"answers"`
}

type loadStepDoc struct {
	Name   string   `json:"name"`
	Text   text     `json:"text"`
	Result []string `json:"result"` // what it can answer; "0" passes
}

type loadAnswerDoc struct {
	Mode  load.Mode `json:"mode"`
	Loads load.Fact `json:"loads"`
	Errno string    `json:"errno"` // "0" if it loads
	Taint string    `json:"taint"`
	Log   []text    `json:"log"`
}

// LoadJSON writes the answers as JSON, complete.
func LoadJSON(w io.Writer, l *Loading) error {
	k := l.Kernel
	doc := loadDoc{
		Schema: LoadSchema, Verdict: l.Verdict(), Modes: l.Modes, Modules: []loadModuleDoc{},
		Kernel: loadKernelDoc{
			Path: text(l.Image), Rules: k.Rules, Words: k.Words, Release: text(k.Release), Arch: k.Arch, Vermagic: text(k.Vermagic),
			Signatures: k.Signatures, Hashes: k.Hashes, Enforced: k.Enforced, LockedDown: k.LockedDown, Keys: []text{},
		},
	}
	if s := k.Hashset; s != nil {
		doc.Kernel.Hashset = s.Scheme
		if s.Scheme == hashset.Merkle {
			doc.Kernel.Root = &merkleDoc{s.Root.Levels, s.Root.Hash}
		}
	}
	if len(k.Keyrings) > 0 {
		for _, key := range k.Keyrings[0].Keys() {
			doc.Kernel.Keys = append(doc.Kernel.Keys, text(key.Description()))
		}
	}
	if k.Symbols != nil {
		n := k.Symbols.Len()
		doc.Kernel.Symbols = &n
	}
	for i := range l.Modules {
		doc.Modules = append(doc.Modules, newLoadModuleDoc(&l.Modules[i]))
	}
	return writeJSON(w, doc)
}

func newLoadModuleDoc(m *LoadedModule) loadModuleDoc {
	d := loadModuleDoc{
		Path: text(m.Path), Name: text(m.Name), Compression: m.Compression.String(), Verdict: m.verdict(),
		Authenticated: m.Authenticated, Internal: errnoNames(m.Internal), Steps: []loadStepDoc{}, Answers: []loadAnswerDoc{},
	}
	for _, s := range m.Steps {
		d.Steps = append(d.Steps, loadStepDoc{s.Name, text(s.Text), errnoNames(s.Errno)})
	}
	for _, a := range m.Answers {
		d.Answers = append(d.Answers, loadAnswerDoc{a.Mode, a.Loads, errnoName(a.Errno), a.Taint, texts(a.Log)})
	}
	return d
}

func errnoNames(errnos []load.Errno) []string {
	out := []string{}
	for _, e := range errnos {
		out = append(out, errnoName(e))
	}
	return out
}
