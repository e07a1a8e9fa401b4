// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestUndeclared(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	tree := fstest.MapFS{
		"Kconfig":               file("source \"kernel/Kconfig\"\n# config COMMENT\n"),
		"kernel/module/Kconfig": file("menuconfig MODULES\n\tbool \"x\"\nif MODULES\n  config MODULE_SIG\r\n\tbool\nconfig\nendif\n"),
		"lib/Kconfig.debug":     file("config DEBUG_INFO # why\n\thelp\n\t  config GHOST is none.\n\t  The config GHOST is no declaration.\n"),
		"lib/other":             file("config OTHER\n"),
		".git/Kconfig":          file("config HIDDEN\n"),
		"drivers/Kconfig":       &fstest.MapFile{Data: []byte("x"), Mode: fs.ModeSymlink},
	}
	got, err := Undeclared(context.Background(), tree, "OTHER", "MODULES", "GHOST", "MODULE_SIG", "COMMENT", "DEBUG_INFO", "HIDDEN", "MODULE")
	if d := cmp.Diff([]string{"OTHER", "GHOST", "COMMENT", "HIDDEN", "MODULE"}, got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	if got, err := Undeclared(context.Background(), tree, "MODULES"); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Undeclared(context.Background(), fstest.MapFS{"a": file("config A\n")}, "A"); got != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", got, err)
	}
	tree["Kconfig.big"] = file(strings.Repeat("#", maxKconfig+1))
	if got, err := Undeclared(context.Background(), tree, "GHOST"); got != nil || err == nil || err.Error() != "reading Kconfig.big: it is too large to be a Kconfig file" {
		t.Errorf("%v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := Undeclared(ctx, tree, "GHOST"); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Undeclared(context.Background(), os.DirFS("testdata/none"), "A"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
