// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/store"
)

// sharedConfigs reads the configurations that an option of a verb names.
func (a *app) sharedConfigs(ctx context.Context, f *kconfigFlags, patterns []string) (*kconfigRun, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	if slices.Contains(patterns, "-") {
		return nil, usageError("standard input cannot be edited")
	}
	r := &kconfigRun{flags: f, bundles: map[string]*bundle{}, unknown: map[string][]string{}}
	return r, a.readConfigs(ctx, r, patterns)
}

// wanted says which type and hash the key is to have: by the options, else by the
// configurations, else as the current one. "" is any.
func (r *rotation) wanted() (kind, hash string, err error) {
	var kinds, hashes []string
	for _, c := range r.configs() {
		for _, m := range choices[1] {
			if c.is(m.symbol) && !slices.Contains(kinds, m.word) {
				kinds = append(kinds, m.word)
			}
		}
		if v, ok := c.now.Get("MODULE_SIG_HASH"); ok && v.Text() != "" && !slices.Contains(hashes, v.Text()) {
			hashes = append(hashes, v.Text())
		}
	}
	kind, hash = r.flags.cert.kind, r.flags.cert.hash
	if hash != "" {
		h, _ := keys.ParseHash(hash)
		hash = cmp.Or(keys.HashName(h), hash) // what is none is refused later
	}
	switch {
	case kind == "" && len(kinds) > 1:
		return "", "", withHint(finding("the configurations want keys of different types: %s", strings.Join(kinds, ", ")), "--type says which")
	case hash == "" && len(hashes) > 1:
		return "", "", withHint(finding("the configurations want different hashes: %s", strings.Join(hashes, ", ")), "--hash says which")
	}
	if kind == "" && len(kinds) == 1 {
		kind = r.kindOfConfig(kinds[0])
	}
	if hash == "" && len(hashes) == 1 {
		hash = hashes[0]
	}
	return kind, hash, nil
}

func (r *rotation) configs() []*kconfigFile {
	if r.run == nil {
		return nil
	}
	return r.run.files
}

// kindOfConfig makes a type of key of the word in a configuration. Any of the curves
// is ecdsa, so that the current key keeps its own.
func (r *rotation) kindOfConfig(word string) string {
	if word != "ecdsa" {
		return strings.ReplaceAll(word, "-", "")
	}
	if r.current != nil {
		if have := kindOf(&r.current.Certificate); strings.HasPrefix(have, "p") {
			return have
		}
	}
	return "p384"
}

// trust edits the configurations in memory. Certificates of other keys of the
// folder are not to be trusted any more.
func (r *rotation) trust(der []byte) error {
	if r.run == nil {
		return nil
	}
	entries, err := store.List(r.dir)
	if err != nil {
		return err
	}
	former := func(x []byte) bool {
		return !bytes.Equal(x, der) && slices.ContainsFunc(entries, func(e store.Entry) bool { return bytes.Equal(e.Certificate.Raw, x) })
	}
	for _, c := range r.run.files {
		name, err := c.inTree(filepath.Join(r.dir, store.Current)) // the folder's path, and not that of what the link leads to
		if errors.Is(err, errElsewhere) {
			err = withHint(err, "the certificate is a source of the build: keep the keys of %s in a folder of the tree", r.dir)
		}
		if err == nil {
			name = path.Join(name, store.CertificatePEM)
			err = r.run.addCertificates(c, r.flags.kconfig.trusted(), name, [][]byte{der}, former)
		}
		if err != nil {
			return inFile(c, err)
		}
	}
	return nil
}

// applyConfigs writes what was edited, and does last when all is on the disk.
func (a *app) applyConfigs(ctx context.Context, r *kconfigRun, last func() error) ([]*kconfigFile, error) {
	if r == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, last()
	}
	if err := a.refuseEdits(ctx, r); err != nil {
		return nil, err
	}
	changed, err := r.changed()
	if err != nil {
		return nil, err
	}
	return changed, r.write(ctx, changed, last)
}
