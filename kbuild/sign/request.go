// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"io"
)

// Request writes what a signing service is given. The bytes depend on nothing but
// the modules and their names.
//
//   - For the layout P7S, a line for each module: the payload's digest in hex, two
//     blanks and the name, as sha256sum writes it.
//   - For Debian, files.json, which lists the modules of the package.
//   - For OBS, a cpio archive (newc) of the modules without compression and
//     trailers, as in NAME.cpio.rsasign.
func Request(ctx context.Context, f *Files, layout *Store, h crypto.Hash, w io.Writer, o *Options) error {
	names, err := layout.names(f)
	if err != nil {
		return err
	}
	switch layout.Layout {
	case Debian:
		return requestDebian(ctx, f, layout.Package, w, o)
	case OBS:
		return requestOBS(ctx, f, names, w, o)
	}
	return requestDigests(ctx, f, h, w, o)
}

// requestDebian writes files.json as the signing service of Debian reads it. An
// empty list of trusted certificates leaves it to the service.
func requestDebian(ctx context.Context, f *Files, pkg string, w io.Writer, o *Options) error {
	type item struct {
		SigType string `json:"sig_type"`
		File    string `json:"file"`
	}
	type content struct {
		Trusted []string `json:"trusted_certs"`
		Files   []item   `json:"files"`
	}
	if _, err := f.look(ctx, o, func(*subject) (bool, *Obstacle, error) { return false, nil, nil }); err != nil {
		return err
	}
	c := content{Trusted: []string{}}
	for i := range f.list {
		c.Files = append(c.Files, item{"linux-module", plainName(f.list[i].rel)})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{"packages": map[string]content{pkg: c}})
}

// requestOBS writes the archive.
func requestOBS(ctx context.Context, f *Files, names []string, w io.Writer, o *Options) error {
	one := *o
	one.Rewrite.Workers = 1 // in their order
	a := &cpio{w: w}
	_, err := f.look(ctx, &one, func(m *subject) (bool, *Obstacle, error) {
		return false, nil, a.add("./"+names[m.index][:len(names[m.index])-len(".sig")], m.payload())
	})
	if err != nil {
		return err
	}
	return a.end()
}

// cpio writes an archive of the form "newc", as cpio -H newc -o does, of regular
// files without owner and time.
type cpio struct {
	w   io.Writer
	n   int64
	ino uint32
}

func (c *cpio) add(name string, r *io.SectionReader) error {
	c.ino++
	if r.Size() > 1<<32-1 {
		return fmt.Errorf("%d bytes are too many for a cpio archive", r.Size())
	}
	if err := c.header(name, c.ino, 0o100644, uint32(r.Size())); err != nil {
		return err
	}
	n, err := io.Copy(c.w, r)
	c.n += n
	if err != nil {
		return err
	}
	return c.pad(4)
}

// header writes a header and the name behind it.
func (c *cpio) header(name string, ino, mode, size uint32) error {
	const magic = "070701"
	// ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
	text := magic
	for _, v := range []uint32{ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, uint32(len(name)) + 1, 0} {
		text += fmt.Sprintf("%08X", v)
	}
	n, err := io.WriteString(c.w, text+name+"\x00")
	c.n += int64(n)
	if err != nil {
		return err
	}
	return c.pad(4)
}

func (c *cpio) pad(to int64) error {
	if rest := c.n % to; rest > 0 {
		n, err := c.w.Write(make([]byte, to-rest))
		c.n += int64(n)
		return err
	}
	return nil
}

func (c *cpio) end() error {
	if err := c.header("TRAILER!!!", 0, 0, 0); err != nil {
		return err
	}
	return c.pad(512)
}
