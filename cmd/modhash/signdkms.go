// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/sign"
)

// dkmsFlags are the options of sign about what dkms built.
type dkmsFlags struct {
	kernel        string
	tree, install string
}

func (d *dkmsFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&d.kernel, "dkms", "", "sign everything that dkms built for the `KERNEL` of that release")
	fl.StringVar(&d.tree, "dkmstree", "/var/lib/dkms", "`FOLDER` with the tree of dkms, its own option of that name")
	fl.StringVar(&d.install, "installtree", "/lib/modules", "`FOLDER` with the modules of each kernel, dkms's option of that name")
	for _, name := range []string{"dkmstree", "installtree"} {
		if err := cmd.MarkFlagDirname(name); err != nil {
			panic(err) // the flag was registered just now
		}
	}
}

// apply settles what --dkms implies, and returns the modules and folders that are
// named: the kernel's modules folder, if that is all.
func (d *dkmsFlags) apply(k *keyFlags, f *changeFlags, args []string) ([]string, error) {
	if d.kernel == "" {
		return args, nil
	}
	switch {
	case len(args) > 0:
		return nil, usageError("--dkms finds the modules itself: %s is one too many", args[0])
	case f.out != "":
		return nil, usageError("--dkms and --out exclude each other")
	}
	modules := filepath.Join(d.install, d.kernel)
	if k.hash == "" && k.config == "" {
		k.config = filepath.Join(modules, "build", ".config")
		if _, err := os.Stat(k.config); errors.Is(err, fs.ErrNotExist) {
			return nil, withHint(err, "which hash that kernel verifies is in its configuration: --config names the file, --hash the hash")
		}
	}
	f.replace = true
	return []string{modules}, nil
}

// open opens the modules that are named or that dkms built.
func (d *dkmsFlags) open(ctx context.Context, args []string, o *sign.Options) (*sign.Files, error) {
	if d.kernel == "" {
		return openFiles(ctx, args)
	}
	return sign.OpenDKMS(ctx, sign.DKMS{Tree: d.tree, Install: d.install, Release: d.kernel}, o)
}
