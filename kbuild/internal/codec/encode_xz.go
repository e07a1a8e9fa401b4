// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// xzDict is the dictionary size that the kernel's build asks for.
const xzDict = 1 << 20

type lzmaEncoder struct{}

func newLZMAEncoder() *lzmaEncoder { return &lzmaEncoder{} }

func encodeXZ(dst io.Writer, in io.Reader, _ *lzmaEncoder) error {
	w, err := xz.WriterConfig{CheckSum: xz.CRC32, DictCap: xzDict, Matcher: lzma.HashTable4}.NewWriter(dst)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	return w.Close()
}
