// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"bufio"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// Detach signs the modules into a folder and leaves them as they are. Without a
// key it takes out the signatures that they carry. What the modules end in is not
// signed. Nothing is written unless there is a signature for each.
func Detach(ctx context.Context, f *Files, key *modsig.SigningKey, so modsig.SignOptions, to *Store, o *Options) error {
	names, err := to.names(f)
	if err != nil {
		return err
	}
	if err := to.fits(key, so); err != nil {
		return err
	}
	values := make([][]byte, len(f.list))
	_, err = f.look(ctx, o, func(m *subject) (take bool, why *Obstacle, err error) {
		if key != nil {
			why, err = f.noModule(m)
		}
		if why == nil && err == nil {
			values[m.index], why, err = to.detach(m, key, so)
		}
		return false, why, err
	})
	if err != nil {
		return err
	}
	for i, v := range values {
		if err := to.write(names[i], v); err != nil {
			return err
		}
	}
	return nil
}

// detach makes or takes out the signature of one module.
func (s *Store) detach(m *subject, key *modsig.SigningKey, so modsig.SignOptions) ([]byte, *Obstacle, error) {
	var der []byte
	if key == nil {
		if len(m.layers) != 1 || m.layers[0].Block.Type != trailer.PKCS7 || len(m.layers[0].Signature) == 0 {
			return nil, &Obstacle{Kind: noSignature, Detail: "it does not end in one signature"}, nil
		}
		der = m.layers[0].Signature
	} else {
		p := m.payload()
		var err error
		if der, err = key.Sign(modsig.NewPayload(p, p.Size()), so); err != nil {
			return nil, nil, &KeyError{err}
		}
	}
	value, why := s.form(der)
	if why != "" {
		return nil, &Obstacle{Kind: wrongSignature, Detail: why}, nil
	}
	return value, nil, nil
}

// fits refuses a key that the layout has no form for.
func (s *Store) fits(key *modsig.SigningKey, so modsig.SignOptions) error {
	if s.Layout == OBS && key != nil && (key.Key().Algorithm != "rsa" || hashName(so.Hash) != "sha256") {
		return errors.New("the layout obs has RSA signatures over SHA-256 only")
	}
	return nil
}

// form is a message as the layout has it, or why it has no such form.
func (s *Store) form(der []byte) ([]byte, string) {
	if s.Layout != OBS {
		return der, ""
	}
	m, err := (&modsig.Kernel{}).ParseMessage(der)
	if err != nil || len(m.Signers) != 1 {
		return nil, "its signature is not one message by one signer"
	}
	if x := m.Signers[0]; x.Algorithm != "rsa" || x.Digest != "sha256" || x.Attributes {
		return nil, "the layout obs has RSA signatures over SHA-256 only"
	}
	return m.Signers[0].Value, ""
}

// requestDigests writes the list that [DetachDigests] reads.
func requestDigests(ctx context.Context, f *Files, h crypto.Hash, w io.Writer, o *Options) error {
	names, err := (&Store{Layout: P7S}).names(f)
	if err != nil {
		return err
	}
	sums := make([][]byte, len(f.list))
	_, err = f.look(ctx, o, func(m *subject) (bool, *Obstacle, error) {
		p := m.payload()
		sum, err := modsig.NewPayload(p, p.Size()).Digest(h)
		sums[m.index] = sum
		return false, nil, err
	})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for i, sum := range sums {
		fmt.Fprintf(out, "%x  %s\n", sum, strings.TrimSuffix(names[i], ".p7s"))
	}
	return out.Flush()
}

// maxDigests is the number of lines above which a list of digests is not read.
const maxDigests = 1 << 20

// DetachDigests signs the digests of a list that [Request] wrote for P7S, with
// so.Hash, into a folder, and returns how many. Keys that sign the payload itself (ML-DSA) cannot do that.
func DetachDigests(ctx context.Context, r io.Reader, key *modsig.SigningKey, so modsig.SignOptions, to *Store) (int, error) {
	if err := to.check(); err != nil {
		return 0, err
	}
	if err := to.fits(key, so); err != nil {
		return 0, err
	}
	if strings.HasPrefix(key.Key().Algorithm, "mldsa") {
		return 0, errors.New("an ML-DSA key signs modules, not their digests")
	}
	entries, err := readDigests(r, so.Hash)
	if err != nil {
		return 0, err
	}
	for i, e := range entries {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		// Only the digest is asked for.
		p := modsig.NewPayload(strings.NewReader(""), 0)
		p.SetDigest(so.Hash, e.sum)
		der, err := key.Sign(p, so)
		if err != nil {
			return i, &KeyError{err}
		}
		value, why := to.form(der)
		if why != "" {
			return i, errors.New(why)
		}
		if err := to.write(to.name(&file{rel: e.name}), value); err != nil {
			return i, err
		}
	}
	return len(entries), nil
}

type digestEntry struct {
	sum  []byte
	name string
}

func readDigests(r io.Reader, h crypto.Hash) ([]digestEntry, error) {
	var list []digestEntry
	seen := map[string]bool{}
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		text, name, ok := strings.Cut(in.Text(), "  ")
		sum, err := hex.DecodeString(text)
		switch {
		case err != nil || !ok || name == "":
			return nil, fmt.Errorf("line %d: want a digest in hex, two blanks and the path of a module", n)
		case path.IsAbs(name) || name == ".." || strings.HasPrefix(path.Clean(name), "../"):
			return nil, fmt.Errorf("line %d: the path %q leads out of the folder, where no signature is written", n, name)
		case path.Clean("/"+name) != "/"+name || strings.ContainsAny(name, "\x00\\"):
			return nil, fmt.Errorf("line %d: the path %q is not in its shortest form, or has backslashes", n, name)
		case len(sum) != h.Size():
			return nil, fmt.Errorf("line %d: a digest of %d bytes, %s has %d", n, len(sum), hashName(h), h.Size())
		case seen[name]:
			return nil, fmt.Errorf("line %d: %s is listed twice", n, name)
		case n > maxDigests:
			return nil, fmt.Errorf("more than %d lines", maxDigests)
		}
		seen[name] = true
		list = append(list, digestEntry{sum, name})
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("an empty list")
	}
	return list, nil
}
