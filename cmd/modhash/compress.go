// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/modhash/modhash/kbuild/kmod"
)

// systemCompressor runs the machine's compressors with the options of the kernel's
// build (scripts/Makefile.modinst).
type systemCompressor struct{}

// Compress implements rewrite.Compressor.
func (systemCompressor) Compress(ctx context.Context, dst io.Writer, src io.Reader, size int64, c kmod.Compression) error {
	var argv []string
	switch c {
	case kmod.Gzip:
		argv = []string{"gzip", "-n", "-c"}
	case kmod.XZ:
		argv = []string{"xz", "--check=crc32", "--lzma2=dict=1MiB", "-c"}
	case kmod.Zstd:
		// From a file zstd knows the size, which goes into the frame.
		argv = []string{"zstd", "-q", "-c", fmt.Sprintf("--stream-size=%d", size)}
	default:
		return fmt.Errorf("no program compresses as %v", c)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GZIP", "XZ_OPT", "XZ_DEFAULTS", "ZSTD_CLEVEL", "ZSTD_NBTHREADS"}, name)
	})
	cmd.Stdin, cmd.Stdout = src, dst
	var said bytes.Buffer
	cmd.Stderr = &lineWriter{write: func(line string) {
		if said.Len() == 0 {
			said.WriteString(line)
		}
	}}
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case said.Len() > 0:
		return fmt.Errorf("%w: %.200s", err, said.String())
	}
	return fmt.Errorf("running %s: %w", argv[0], err)
}
