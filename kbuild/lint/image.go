// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/image"
)

// Image scans a kernel image, or a vmlinux, as it is stored; if it is compressed
// or wrapped otherwise, the kernel in it too; and the configuration embedded in
// that. What is no image that can be unpacked is scanned as it is, and named in
// Report.Unknown. Findings call the parts name, "NAME (kernel)" and "NAME
// (config)".
func (s *Scanner) Image(ctx context.Context, name string, r io.ReaderAt, size int64, o *image.Options) (rep *Report, err error) {
	rep, err = s.File(name, r, size)
	if err != nil {
		return nil, err
	}
	im, err := image.Open(ctx, r, size, o)
	var fe *image.FormatError
	if errors.As(err, &fe) || errors.Is(err, image.ErrUnknown) || errors.Is(err, image.ErrTooLarge) {
		rep.Unknown = append(rep.Unknown, Unknown{"leak", name, "what is packed in it was not looked at: " + err.Error()})
		return rep, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer func() {
		if cerr := im.Close(); err == nil && cerr != nil {
			rep, err = nil, cerr
		}
	}()
	type part struct {
		name string
		*io.SectionReader
	}
	var parts []part
	if len(im.Layers) > 1 {
		parts = append(parts, part{name + " (kernel)", im.Kernel()})
	}
	if im.Config != nil {
		parts = append(parts, part{name + " (config)", io.NewSectionReader(bytes.NewReader(im.Config), 0, int64(len(im.Config)))})
	}
	for _, p := range parts {
		inner, err := s.File(p.name, p, p.Size())
		if err != nil {
			return nil, err
		}
		rep.Join(inner)
	}
	return rep, nil
}
