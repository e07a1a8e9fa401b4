// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/pkgfile"
)

// buildFlags are the options of every verb that opens builds.
type buildFlags struct {
	release, order, image, tmpdir string
	noImage                       bool
	maxModule, maxUnpacked        int64
	jobs                          int
}

const mib = 1 << 20

// registerOne adds the flags of a verb that takes one build.
func (f *buildFlags) registerOne(cmd *cobra.Command) {
	f.registerModules(cmd)
	cmd.Flags().StringVar(&f.image, "image", "", "the kernel image: a `PATH` in the build, or else of a file")
}

// registerModules adds the flags of a verb that takes the modules of one build.
func (f *buildFlags) registerModules(cmd *cobra.Command) {
	f.register(cmd)
	cmd.Flags().StringVar(&f.order, "order", "", "a modules.order `FILE`, where the build has none")
}

// register adds the flags.
func (f *buildFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.release, "release", "", "the kernel `RELEASE` to look at, if there are several")
	fl.StringVar(&f.tmpdir, "tmpdir", "", "`FOLDER` for what is unpacked from packages (default: that of the system)")
	fl.Int64Var(&f.maxModule, "max-module", 2048, "refuse a module that decompresses to more than `MIB` MiB")
	fl.Int64Var(&f.maxUnpacked, "max-unpacked", 16384, "refuse a package that unpacks to more than `MIB` MiB")
	fl.IntVarP(&f.jobs, "jobs", "j", 0, "read `N` files at once (default: one per processor)")
	if err := cmd.MarkFlagDirname("tmpdir"); err != nil {
		panic(err) // the flag was registered just now
	}
}

// options turns the flags into those of the library.
func (f *buildFlags) options(ctx context.Context) (*kbuild.Options, error) {
	o := &kbuild.Options{
		Release: f.release, Image: f.image, NoImage: f.noImage, TempDir: f.tmpdir,
		MaxModule: f.maxModule * mib, MaxUnpacked: f.maxUnpacked * mib, Workers: f.jobs,
	}
	switch {
	case f.jobs < 0:
		return nil, usageError("--jobs %d", f.jobs)
	case f.maxModule <= 0 || f.maxModule > 1<<30:
		return nil, usageError("--max-module %d", f.maxModule)
	case f.maxUnpacked <= 0 || f.maxUnpacked > 1<<30:
		return nil, usageError("--max-unpacked %d", f.maxUnpacked)
	case f.image != "" && f.noImage:
		return nil, usageError("--image and --no-image exclude each other")
	}
	if f.order != "" {
		var err error
		if o.Order, err = readOrder(ctx, f.order); err != nil {
			return nil, err
		}
		o.OrderName = f.order
	}
	return o, nil
}

// maxOrderFile is above any modules.order in bytes; a device has no end.
const maxOrderFile = 64 << 20

func readOrder(ctx context.Context, path string) ([]byte, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(untilDone{ctx, f}, maxOrderFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	if len(data) > maxOrderFile {
		return nil, fmt.Errorf("%s is no modules.order file: it has more than %d bytes", path, maxOrderFile)
	}
	if data == nil {
		data = []byte{} // empty is an order too
	}
	return data, nil
}

// openBuild opens what the arguments name and adds hints to its errors.
func openBuild(ctx context.Context, paths []string, o *kbuild.Options) (*kbuild.Build, error) {
	b, err := kbuild.Open(ctx, paths, o)
	return b, hintFor(err)
}

// hintFor adds to an error of the libraries which option helps.
func hintFor(err error) error {
	var (
		releases *kbuild.ReleasesError
		images   *kbuild.ImagesError
		order    *kbuild.OrderError
		limit    *pkgfile.LimitError
	)
	switch {
	case errors.As(err, &releases):
		return withHint(err, "name one of them with --release")
	case errors.As(err, &images):
		return withHint(err, "name one of them with --image, or leave it out with --no-image")
	case errors.As(err, &order):
		return withHint(err, "take modules.order as the build wrote it; --order FILE names another one")
	case errors.As(err, &limit) && limit.Option == "MaxUnpacked":
		return withHint(err, "--max-unpacked raises the limit")
	case errors.Is(err, kbuild.ErrNotBuild):
		return withHint(err, "give a directory or a package")
	}
	return err
}

// splitBuild makes the paths of one build from one argument: packages that
// belong together are joined with commas, unless a file has that name.
func splitBuild(arg string) []string {
	if _, err := os.Stat(arg); err == nil {
		return []string{arg}
	}
	return strings.Split(arg, ",")
}
