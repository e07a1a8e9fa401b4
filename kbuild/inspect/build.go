// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"

	"github.com/modhash/modhash/kbuild"
)

// Build is what a package or folder holds of a kernel build.
type Build struct {
	Archive   bool
	Release   string
	BuildTree bool
	HasOrder  bool
	Members   int // files, folders and all else
	Listed    int // modules that modules.order lists
	Present   int // of these, how many are there
	Others    int // modules that it does not list
	Image     string
	Problems  []kbuild.Problem
	// Fault says why the rest is not known: several releases, unequal images, no
	// part of a kernel build.
	Fault string
}

func openBuild(ctx context.Context, path string, o *kbuild.Options) (*Build, error) {
	k, err := kbuild.Open(ctx, []string{path}, o)
	var releases *kbuild.ReleasesError
	var order *kbuild.OrderError
	if errors.As(err, &releases) || errors.As(err, &order) {
		return &Build{Fault: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	defer k.Close() // read only
	b := &Build{
		Archive: k.Sources()[0].Archive(), Release: k.Release, BuildTree: k.BuildTree, HasOrder: k.HasOrder,
		Members: len(k.Sources()[0].Members()), Listed: len(k.Modules()), Others: len(k.Others()), Problems: k.Problems(),
	}
	for _, m := range k.Modules() {
		if m.File != nil {
			b.Present++
		}
	}
	img, err := k.Image()
	switch {
	case err != nil:
		b.Fault = err.Error()
	case img != nil:
		b.Image = img.Path
	}
	return b, nil
}
