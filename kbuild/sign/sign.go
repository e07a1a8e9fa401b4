// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"context"
	"errors"
	"fmt"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// Sign signs the modules. Those that carry the wanted signature count as
// rewrite.Unchanged, or as rewrite.Recompressed if a kernel's own decompressor might
// not take the file. The error is an [*ObstaclesError], or that of reading or of
// the context; with a Report, it is that of the first file that failed.
func Sign(ctx context.Context, f *Files, key *modsig.SigningKey, so modsig.SignOptions, o *Options) (*Report, error) {
	s, err := newSigner(key, so)
	if err != nil {
		return nil, err
	}
	if err := f.prepare(o); err != nil {
		return nil, err
	}
	c := newCovering(o.Manifests)
	own := make([]bool, len(f.list))
	indexes, err := f.look(ctx, o, func(m *subject) (take bool, why *Obstacle, err error) {
		if ok, why, err := c.admit(f, m, o); !ok {
			return false, why, err
		}
		if why, err = f.noModule(m); why == nil && err == nil {
			why, err = s.obstacle(m, o.Replace)
		}
		if why != nil || err != nil {
			return false, why, err
		}
		own[m.index] = len(m.layers) > 0 && !o.Replace && !m.unfit
		return !own[m.index] || o.Rewrite.Out != nil, nil, nil
	})
	if err == nil {
		err = f.linked(indexes, o)
	}
	if err != nil {
		return nil, err
	}
	// A key that fails once would fail for every module.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	report, err := f.rewrite(ctx, indexes, own, o, func(ctx context.Context, t *rewrite.Target) (rewrite.Change, error) {
		change, err := s.edit(ctx, t, o)
		var ke *KeyError
		if errors.As(err, &ke) {
			cancel(err)
		}
		return change, err
	})
	var ke *KeyError
	if errors.As(context.Cause(ctx), &ke) {
		err = ke
	}
	return report, err
}

// KeyError says that the key did not sign. After the first no module is tried.
type KeyError struct{ Err error }

func (e *KeyError) Error() string { return e.Err.Error() }

func (e *KeyError) Unwrap() error { return e.Err }

// obstacle says why a module cannot be signed because of what it ends in.
func (s *signer) obstacle(m *subject, replace bool) (*Obstacle, error) {
	switch {
	case len(m.layers) == 0 || replace:
		return nil, nil
	case len(m.layers) > 1:
		return &Obstacle{Kind: otherTrailer, Detail: "it ends in trailers that are stacked"}, nil
	}
	if why := s.otherForm(m.layers[0]); why != "" {
		return &Obstacle{Kind: otherTrailer, Detail: why}, nil
	}
	p := m.payload()
	valid, err := s.valid(m.layers[0], modsig.NewPayload(p, p.Size()))
	if err == nil && !valid {
		return &Obstacle{Kind: otherTrailer, Detail: "its signature by this key is not over this payload"}, nil
	}
	return nil, err
}

// edit says what a module shall end in.
func (s *signer) edit(ctx context.Context, t *rewrite.Target, o *Options) (rewrite.Change, error) {
	p := t.Payload()
	payload := modsig.NewPayload(p, p.Size())
	layers, err := t.Module.Layers()
	if err != nil {
		return rewrite.Change{}, err
	}
	if len(layers) == 1 && s.otherForm(layers[0]) == "" {
		if valid, err := s.valid(layers[0], payload); valid || err != nil {
			return rewrite.Change{Keep: true, Fit: true}, err
		}
	}
	if o.Covered != Include && hasProof(t) {
		return rewrite.Change{}, errChanged
	}
	if err := ctx.Err(); err != nil {
		return rewrite.Change{}, err
	}
	der, err := s.key.Sign(payload, s.o)
	if err != nil {
		return rewrite.Change{}, &KeyError{err}
	}
	return rewrite.Change{Trailer: trailer.Append(nil, der, trailer.PKCS7), Replace: o.Replace}, nil
}

var errChanged = errors.New("the module was changed since it was looked at")

func hasProof(t *rewrite.Target) bool {
	for i := range t.Layers {
		if t.Layers[i].Block.Type == trailer.Merkle {
			return true
		}
	}
	return false
}

// Unsign takes all trailers off the modules. Modules that carry a proof are
// treated as o.Covered says; manifests do not matter, and o.Replace neither.
// Modules without a trailer count as rewrite.Unchanged.
func Unsign(ctx context.Context, f *Files, o *Options) (*Report, error) {
	if err := f.prepare(o); err != nil {
		return nil, err
	}
	c := &covering{proofs: true}
	indexes, err := f.look(ctx, o, func(m *subject) (bool, *Obstacle, error) {
		return c.admit(f, m, o)
	})
	if err == nil {
		err = f.linked(indexes, o)
	}
	if err != nil {
		return nil, err
	}
	return f.rewrite(ctx, indexes, nil, o, func(_ context.Context, t *rewrite.Target) (rewrite.Change, error) {
		if o.Covered != Include && hasProof(t) {
			return rewrite.Change{}, errChanged
		}
		return rewrite.Change{Replace: true}, nil
	})
}

// rewrite runs an edit and reports in the order of the Files. Those that are own
// and not among the indexes are as wanted.
func (f *Files) rewrite(ctx context.Context, indexes []int, own []bool, o *Options, edit rewrite.Edit) (*Report, error) {
	ro := o.Rewrite
	ro.Done = func(_ int, r *rewrite.Result) {
		if o.Progress != nil {
			o.Progress(r.Before)
		}
	}
	results, err := rewrite.Run(ctx, f.root, f.rewriteFiles(indexes, ro.Out != nil), edit, &ro)
	report := &Report{Results: make([]rewrite.Result, len(f.list)), Count: map[rewrite.Outcome]int{}}
	for i := range f.list {
		report.Results[i].Name = f.list[i].shown
		if own != nil && own[i] {
			report.Results[i].Outcome = rewrite.Unchanged
		}
	}
	for n, r := range results {
		i := indexes[n]
		r.Name = f.list[i].shown
		report.Results[i] = r
	}
	for i := range report.Results {
		report.Count[report.Results[i].Outcome]++
	}
	if failed := report.Failed(); len(failed) > 0 {
		err = failed[0] // by the name that the user knows
	}
	return report, err
}

// signer knows what is wanted of a signature.
type signer struct {
	key  *modsig.SigningKey
	o    modsig.SignOptions
	hash string // the kernel's name
	ring *modsig.Keyring
}

func newSigner(key *modsig.SigningKey, o modsig.SignOptions) (*signer, error) {
	s := &signer{key: key, o: o, hash: hashName(o.Hash), ring: modsig.NewKeyring(modsig.Kernel{})}
	if s.hash == "" {
		return nil, fmt.Errorf("kernels do not verify signatures with %v", o.Hash)
	}
	if o.KeyID && key.Key().KeyID == nil {
		return nil, modsig.ErrNoKeyID
	}
	if _, err := s.ring.Add(key.Key().Raw); err != nil {
		return nil, err
	}
	return s, nil
}

// message reads a trailer's message; nil if it is none that can be read, or has
// not just one signer and nothing else in it.
func message(l kmod.Layer) *modsig.Message {
	if l.Block.Type != trailer.PKCS7 || l.Signature == nil {
		return nil
	}
	m, err := (&modsig.Kernel{}).ParseMessage(l.Signature)
	if err != nil || len(m.Signers) != 1 || m.Extra != 0 || len(m.Keys) != 0 || m.Content {
		return nil
	}
	return m
}

// otherForm tells why a trailer cannot be the wanted signature, "" if it can. It
// does not look at the payload.
func (s *signer) otherForm(l kmod.Layer) string {
	m := message(l)
	if m == nil {
		return fmt.Sprintf("it ends in a %s trailer that is not in the form of one signature", l.Block.Type)
	}
	x, want := m.Signers[0], s.key.Key()
	byKeyID := x.KeyID != nil
	same := byKeyID && string(x.KeyID) == string(want.KeyID) || !byKeyID && x.Serial != nil && x.Serial.Cmp(want.Serial) == 0
	switch {
	case !same:
		return fmt.Sprintf("it is signed by another key (%v)", &x)
	case x.Digest != s.hash:
		return fmt.Sprintf("it is signed by this key with %s, not with %s", x.Digest, s.hash)
	case byKeyID != s.o.KeyID || x.Attributes != s.o.Attributes:
		return "it is signed by this key in another form"
	}
	return ""
}

// valid reports whether a trailer for which otherForm found nothing is the key's
// signature over the payload.
func (s *signer) valid(l kmod.Layer, p *modsig.Payload) (bool, error) {
	_, err := s.ring.Verify(message(l), p)
	var no *modsig.Refusal
	if errors.As(err, &no) {
		return false, nil
	}
	return err == nil, err
}
