// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/outfile"
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
		m, err := openUntilDone(ctx, f.systemMap)
		if err != nil {
			return err
		}
		defer m.Close() // read only
		opt.SystemMap = untilDone{ctx, m}
	}
	in, size, err := openRegular(path)
	if err != nil {
		return fmt.Errorf("image %s: %w", path, outfile.Bare(err))
	}
	defer in.Close() // read only
	img, err := image.Open(ctx, in, size, &opt)
	if errors.Is(err, image.ErrTooLarge) {
		err = withHint(err, "--max-image raises the limit, if the file is to be trusted")
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	defer img.Close() // what it was decoded into
	return use(img)
}

// openRegular opens a file that is read at any place, and returns its size. It looks
// first, since to open a named pipe waits for a writer.
func openRegular(path string) (*os.File, int64, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, err
	case !st.Mode().IsRegular():
		return nil, 0, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if st, err = f.Stat(); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, st.Size(), nil
}
