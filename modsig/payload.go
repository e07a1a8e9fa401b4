// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"crypto"
	"errors"
	"fmt"
	"io"
)

// errNoHash is for digests that a kernel may have and Go has not.
var errNoHash = errors.New("digest algorithm that cannot be computed here")

// Payload is what a signature covers: the module without its trailer. It is read
// once for each digest that is asked for, a part at a time. Only ML-DSA needs
// all of it in memory. A Payload must not be used concurrently.
type Payload struct {
	r    io.ReaderAt
	size int64
	sums map[crypto.Hash][]byte
	all  []byte
}

// NewPayload returns the payload that the first size bytes of r are.
func NewPayload(r io.ReaderAt, size int64) *Payload {
	return &Payload{r: r, size: size, sums: map[crypto.Hash][]byte{}}
}

// SetDigest tells a digest that is known already, so that the payload need not
// be read for it. It panics if sum is not of the algorithm's length.
func (p *Payload) SetDigest(h crypto.Hash, sum []byte) {
	if len(sum) != h.Size() {
		panic("modsig: SetDigest: digest of another length")
	}
	p.sums[h] = sum
}

// Digest returns the payload's digest. Errors are those of the reader.
func (p *Payload) Digest(h crypto.Hash) ([]byte, error) {
	if sum := p.sums[h]; sum != nil {
		return sum, nil
	}
	if p.size < 0 {
		return nil, fmt.Errorf("payload of %d bytes", p.size)
	}
	w := h.New()
	n, err := io.Copy(w, io.NewSectionReader(p.r, 0, p.size))
	if err = p.readError(n, err); err != nil {
		return nil, err
	}
	p.sums[h] = w.Sum(nil)
	return p.sums[h], nil
}

// bytes returns the whole payload.
func (p *Payload) bytes() ([]byte, error) {
	if p.all != nil {
		return p.all, nil
	}
	if int64(int(p.size)) != p.size || p.size < 0 {
		return nil, fmt.Errorf("payload of %d bytes does not fit into memory", p.size)
	}
	b := make([]byte, p.size)
	n, err := io.ReadFull(io.NewSectionReader(p.r, 0, p.size), b)
	if err = p.readError(int64(n), err); err != nil {
		return nil, err
	}
	p.all = b
	return b, nil
}

func (p *Payload) readError(n int64, err error) error {
	if err == nil && n < p.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("reading the payload at byte %d of %d: %w", n, p.size, err)
	}
	return nil
}
