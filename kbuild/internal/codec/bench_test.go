// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

var corpus = flag.String("corpus", "", "folder with compressed modules for BenchmarkCorpus")

// BenchmarkCorpus decodes all .ko.gz, .ko.xz and .ko.zst below -corpus and
// takes two SHA-256 of each, in two goroutines, files read included. This is
// what the numbers in the documentation of package xz are about.
func BenchmarkCorpus(b *testing.B) {
	if *corpus == "" {
		b.Skip("no -corpus")
	}
	var paths []string
	err := filepath.WalkDir(*corpus, func(path string, e fs.DirEntry, err error) error {
		if ok, _ := filepath.Match("*.ko.*", filepath.Base(path)); ok && e.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		b.Fatalf("%d modules, %v", len(paths), err)
	}
	for b.Loop() {
		var next, total atomic.Int64
		var workers sync.WaitGroup
		for range 2 {
			workers.Go(func() {
				d := NewDecoder()
				var in, out []byte
				for i := next.Add(1) - 1; i < int64(len(paths)); i = next.Add(1) - 1 {
					f, err := os.Open(paths[i])
					if err != nil {
						b.Error(err)
						return
					}
					if in, err = appendAll(in[:0], f, 1<<30); err == nil {
						out, err = d.DecodeBytes(out[:0], in, Sniff(in), 1<<30)
					}
					f.Close()
					if err != nil {
						b.Errorf("%s: %v", paths[i], err)
						return
					}
					first, second := sha256.New(), sha256.New()
					first.Write(out)
					second.Write(out)
					first.Sum(nil)
					second.Sum(nil)
					total.Add(int64(len(out)))
				}
			})
		}
		workers.Wait()
		b.SetBytes(total.Load())
	}
}

func BenchmarkDecodeBytes(b *testing.B) {
	for _, name := range []string{"sample.crc32.xz", "sample.x86.xz", "sample.gz", "sample.19.zst"} {
		b.Run(name, func(b *testing.B) {
			in := golden(b, name)
			d := NewDecoder()
			var out []byte
			for b.Loop() {
				var err error
				if out, err = d.DecodeBytes(out[:0], in, formatOf(b, name), 1<<20); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(out)))
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, name := range []string{"sample.crc32.xz", "repeat.xz", "sample.gz", "sample.19.zst", "sample.bz2", "sample.lzma"} {
		b.Run(name, func(b *testing.B) {
			in := golden(b, name)
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(in), formatOf(b, name))
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, r)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
				r.Close()
			}
		})
	}
}
