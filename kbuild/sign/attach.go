// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/trailer"
)

// Attach puts signatures from a store on the modules, if each is one over that
// module's payload by the key of the DER certificate cert: everything is verified
// before anything is written. With the layout OBS, which has bare values, so says
// how the message around them is to be; otherwise it does not matter. Modules that
// carry just that signature count as rewrite.Unchanged or, see [Sign],
// rewrite.Recompressed.
func Attach(ctx context.Context, f *Files, cert []byte, so modsig.SignOptions, from *Store, o *Options) (*Report, error) {
	names, err := from.names(f)
	if err != nil {
		return nil, err
	}
	at := &attacher{cert: cert, so: so, layout: from.Layout, ring: modsig.NewKeyring(modsig.Kernel{})}
	if _, err := at.ring.Add(cert); err != nil {
		return nil, fmt.Errorf("certificate that a kernel does not take: %w", err)
	}
	if err := f.prepare(o); err != nil {
		return nil, err
	}
	read, stored, done, err := from.open(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	unused := from.unused(stored, names)
	c := newCovering(o.Manifests)
	ders := make([][]byte, len(f.list))
	indexes, err := f.look(ctx, o, func(m *subject) (bool, *Obstacle, error) {
		if ok, why, err := c.admit(f, m, o); !ok {
			return false, why, err
		}
		if why, err := f.noModule(m); why != nil || err != nil {
			return false, why, err
		}
		data, err := read(names[m.index])
		if errors.Is(err, fs.ErrNotExist) {
			return false, &Obstacle{Kind: noSignature, Detail: fmt.Sprintf("there is no %s in %s", names[m.index], from.Path)}, nil
		}
		if err != nil {
			return false, nil, fmt.Errorf("its signature %s: %w", names[m.index], err)
		}
		p := m.payload()
		der, why, err := at.message(unwrap(data), modsig.NewPayload(p, p.Size()))
		if why != nil || err != nil {
			return false, why, err
		}
		same := len(m.layers) == 1 && m.layers[0].Block.Type == trailer.PKCS7 && bytes.Equal(m.layers[0].Signature, der)
		if len(m.layers) > 0 && !same && !o.Replace {
			return false, &Obstacle{Kind: otherTrailer, Detail: "it ends in another trailer"}, nil
		}
		ders[m.index] = der
		return true, nil, nil
	})
	if err == nil {
		err = f.linked(indexes, o)
	}
	var oe *ObstaclesError
	if errors.As(err, &oe) {
		oe.Unused = unused
	}
	if err != nil {
		return nil, err
	}
	report, err := f.rewrite(ctx, indexes, nil, o, func(_ context.Context, t *rewrite.Target) (rewrite.Change, error) {
		if o.Covered != Include && hasProof(t) {
			return rewrite.Change{}, errChanged
		}
		// The module could be another one by now.
		der, p := ders[indexes[t.Index]], t.Payload()
		if _, why, err := at.verify(der, modsig.NewPayload(p, p.Size())); why != nil || err != nil {
			return rewrite.Change{}, errors.Join(errChanged, err)
		}
		return rewrite.Change{Trailer: trailer.Append(nil, der, trailer.PKCS7), Replace: o.Replace, Fit: true}, nil
	})
	if report != nil {
		report.Unused = unused
	}
	return report, err
}

// attacher checks signatures.
type attacher struct {
	cert   []byte
	so     modsig.SignOptions
	layout Layout
	ring   *modsig.Keyring
}

// message makes the message of what is in a store, or says why it is not one over
// the payload.
func (a *attacher) message(data []byte, p *modsig.Payload) ([]byte, *Obstacle, error) {
	if a.layout != OBS {
		return a.verify(data, p)
	}
	wrong := func(err error) ([]byte, *Obstacle, error) {
		// Nobody signs here, but the message is made in the same way.
		return nil, &Obstacle{Kind: wrongSignature, Detail: strings.TrimPrefix(err.Error(), "signing: ")}, nil
	}
	if _, err := p.Digest(a.so.Hash); err != nil { // trouble with reading, not with the value
		return nil, nil, err
	}
	key, err := keys.FromValue(a.cert, data)
	if err != nil {
		return wrong(err)
	}
	der, err := key.Sign(p, a.so)
	if err != nil {
		return wrong(err)
	}
	return der, nil, nil
}

// verify checks a message as a kernel does that trusts the certificate.
func (a *attacher) verify(der []byte, p *modsig.Payload) ([]byte, *Obstacle, error) {
	m, err := (&modsig.Kernel{}).ParseMessage(der)
	if err == nil && m.Extra > 0 {
		err = &modsig.Refusal{Errno: modsig.EBADMSG, Offset: len(der) - m.Extra, Reason: fmt.Sprintf("%d bytes behind the message", m.Extra)}
	}
	if err == nil {
		_, err = a.ring.Verify(m, p)
	}
	var no *modsig.Refusal
	switch {
	case errors.As(err, &no):
		return nil, &Obstacle{Kind: wrongSignature, Detail: fmt.Sprintf("the kernel would refuse the signature: %v", no)}, nil
	case err != nil:
		return nil, nil, err
	}
	return der, nil, nil
}
