// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
)

// imageFlags are the options of verbs that read one kernel image.
type imageFlags struct {
	systemMap, tmpdir string
	maxImage          int64
}

func (f *imageFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.systemMap, "system-map", "", "System.map `FILE` of the kernel, for images without symbols")
	fl.StringVar(&f.tmpdir, "tmpdir", "", "`FOLDER` for what is decompressed (default: that of the system)")
	fl.Int64Var(&f.maxImage, "max-image", image.DefaultLimit/mib, "refuse an image that decompresses to more than `MIB` MiB")
}

func (f *imageFlags) check() error {
	if f.maxImage <= 0 || f.maxImage > 1<<20 {
		return usageError("--max-image %d", f.maxImage)
	}
	return nil
}

// with opens the image in a file, for as long as use takes.
func (f *imageFlags) with(ctx context.Context, path string, use func(*image.Image) error) error {
	opt := image.Options{Limit: f.maxImage * mib, TmpDir: f.tmpdir}
	if f.systemMap != "" {
		m, err := os.Open(f.systemMap)
		if err != nil {
			return err
		}
		defer m.Close() // read only
		opt.SystemMap = m
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close() // read only
	st, err := in.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("image %s: not a regular file", path)
	}
	img, err := image.Open(ctx, in, st.Size(), &opt)
	if errors.Is(err, image.ErrTooLarge) {
		err = withHint(err, "--max-image raises the limit, if the file is to be trusted")
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	defer img.Close() // what it was decoded into
	return use(img)
}
