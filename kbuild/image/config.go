// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"fmt"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// The .config that CONFIG_IKCONFIG puts into a kernel (kernel/configs.c), one
// gzip member between two marks.
const (
	configStart = "IKCFG_ST"
	configEnd   = "IKCFG_ED"
	configGzip  = "\x1f\x8b\x08"

	maxConfigPacked = 4 << 20 // bytes; real ones have 60 kB
	maxConfig       = 32 << 20
)

func (im *Image) readConfig(k *kernel) error {
	if start, ok := k.syms[symConfig]; ok {
		end := k.syms[symConfigEnd]
		if end <= start || end-start > maxConfigPacked {
			return badf(0, "config from address 0x%x to 0x%x", start, end)
		}
		b, off, err := k.at(start, end-start)
		if err != nil {
			return fmt.Errorf("reading the config: %w", err)
		}
		im.unpackConfig(b, off)
		return nil
	}
	if k.syms != nil && k.origin == FromSymbol {
		return nil // it has symbols, but not these
	}
	f, err := k.found()
	if err != nil {
		return err
	}
	for _, off := range f.configs {
		off += int64(len(configStart))
		// First little, as the mark can be any text in the kernel.
		head, err := k.bytes(off, min(int64(len(configGzip)), k.size-off))
		if err != nil {
			return err
		}
		if string(head) != configGzip {
			continue
		}
		if im.Config != nil {
			im.problem(off, "a second config")
			break
		}
		b, err := k.bytes(off, min(maxConfigPacked, k.size-off))
		if err != nil {
			return err
		}
		n := bytes.Index(b, []byte(configEnd))
		if n < 0 {
			im.problem(off, "a config without an end")
			continue
		}
		im.unpackConfig(b[:n], off)
	}
	return nil
}

func (im *Image) unpackConfig(b []byte, off int64) {
	text, err := codec.NewDecoder().DecodeBytes(nil, b, codec.Gzip, maxConfig)
	if err != nil {
		im.problem(off, "the config cannot be unpacked: %v", err)
		return
	}
	im.Config = text
}
