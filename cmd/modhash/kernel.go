// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/verify"
)

// openKernel opens the image that --image names, in the build or beside it.
func (a *app) openKernel(ctx context.Context, f *verifyFlags, b *kbuild.Build, o *kbuild.Options) (*verify.Kernel, error) {
	if f.maxImage <= 0 || f.maxImage > 1<<20 {
		return nil, usageError("--max-image %d", f.maxImage)
	}
	img, err := b.NamedImage()
	if err != nil {
		return nil, hintFor(err)
	}
	opt := image.Options{Limit: f.maxImage * mib, TmpDir: o.TempDir}
	if f.systemMap != "" {
		m, err := openUntilDone(ctx, f.systemMap)
		if err != nil {
			return nil, err
		}
		defer m.Close() // read only
		opt.SystemMap = untilDone{ctx, m}
	}
	k, err := kernelOf(ctx, img, &opt)
	if errors.Is(err, image.ErrTooLarge) {
		err = withHint(err, "--max-image raises the limit, if the file is to be trusted")
	}
	return k, err
}

// kernelOf opens the kernel in an image of a build. The caller closes it.
func kernelOf(ctx context.Context, img *kbuild.Image, opt *image.Options) (*verify.Kernel, error) {
	c, err := img.Open()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.Path, err)
	}
	defer c.Close() // read only; everything is read by Open
	k, err := image.Open(ctx, c, c.Size(), opt)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.Path, err)
	}
	return &verify.Kernel{Image: k, Path: img.Path, Digest: img.Digest}, nil
}
