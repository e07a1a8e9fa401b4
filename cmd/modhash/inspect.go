// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/inspect"
	"github.com/modhash/modhash/kbuild/report"
)

const inspectLong = `Tells what is in a file. It judges nothing: "modhash verify" and "modhash
check-load" do.

  module    payload digest, release, .modinfo, and every trailer, the outermost
            first: whom a signature names (-k ones too, which modinfo does not
            show), its algorithms, certificates in the message and bytes behind
            it; or a proof's position and the root that it leads to
  image     vmlinux, bzImage, Image, EFI zboot, UKI, signed or not: layers, banner,
            build id, hashset, built-in certificates, embedded .config
  package   or folder: release, modules, image, what is wrong with the set of files
  manifest  release, modules, image, root
  sidecar   position and levels

What a file is follows from its content. With --format json there is one document
on one line for each file, which holds everything.`

const inspectExample = `$ cp sample/a/usr/lib/modules/6.12.0-sample/kernel/crypto/xor.ko .
$ modhash inspect xor.ko
xor.ko: module, x86_64 elf64 little, 6.12.0-sample
  payload     sha256 c84da7b17acf99202a51c22c49ea1119e364c6c46e6114e2bbc4c8c117383310, 3,832 bytes
  license     GPL
  depends     none
  intree      Y
  name        xor
  vermagic    6.12.0-sample SMP preempt mod_unload
  trailer     signature by modhash throw-away test key a, serial 356301a72b266f75ac0a9a3ce7b2eb16251681b2, rsa with sha256: 459 bytes at offset 3832`

type inspectFlags struct {
	build     buildFlags
	format    string
	all       bool
	systemMap string
	maxImage  int64
}

func (a *app) inspect() *cobra.Command {
	f := &inspectFlags{}
	cmd := &cobra.Command{
		Use:         "inspect [OPTION]... FILE...",
		Short:       "tell what is in a module, image, package, manifest or sidecar",
		Long:        inspectLong,
		Example:     inspectExample,
		Annotations: map[string]string{exitAnnotation: "0 everything was told\n2 wrong usage, or a file is nothing known, malformed or could not be read; the others were told"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runInspect(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "text", "`FORM` of the output: text or json")
	fl.BoolVar(&f.all, "all", false, "show all of .modinfo and every problem in the text")
	fl.StringVar(&f.systemMap, "system-map", "", "System.map `FILE` of the kernel, for images without symbols")
	fl.Int64Var(&f.maxImage, "max-image", image.DefaultLimit/mib, "refuse an image that decompresses to more than `MIB` MiB")
	f.build.register(cmd)
	complete(cmd, "format", "text", "json")
	return cmd
}

func (a *app) runInspect(ctx context.Context, f *inspectFlags, args []string) error {
	if len(args) == 0 {
		return usageError("no file given")
	}
	if err := checkFormat(f.format); err != nil {
		return err
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return err
	}
	if f.maxImage <= 0 || f.maxImage > 1<<20 {
		return usageError("--max-image %d", f.maxImage)
	}
	failed := 0
	for _, path := range args {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.inspectOne(ctx, f, o, path); err != nil {
			if errors.Is(err, context.Canceled) {
				return err
			}
			a.tell(inspectError(err))
			failed++
		}
	}
	if failed > 0 {
		return &codeError{code: exitTrouble}
	}
	return nil
}

func (a *app) inspectOne(ctx context.Context, f *inspectFlags, o *kbuild.Options, path string) error {
	opt := &inspect.Options{Build: *o, Image: image.Options{Limit: f.maxImage * mib, TmpDir: o.TempDir}}
	if f.systemMap != "" {
		m, err := openUntilDone(ctx, f.systemMap)
		if err != nil {
			return err
		}
		defer m.Close() // read only
		opt.Image.SystemMap = untilDone{ctx, m}
	}
	file, err := inspect.Open(ctx, path, opt)
	if err != nil {
		return err
	}
	defer file.Close() // what it was decoded into
	style := a.style()
	style.All = f.all
	return a.output(ctx, "", func(w io.Writer) error {
		if f.format == "json" {
			return report.InspectJSON(w, file)
		}
		return report.Inspect(w, file, style)
	})
}

// inspectError says the path of a file once.
func inspectError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}
