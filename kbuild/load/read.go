// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"fmt"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
)

// read is the system call up to where the kernel has the module's bytes. goes is
// false if it ends there.
func (d *decision) read(req Request, f kmod.Compression) (goes bool, err error) {
	compressed := f == kmod.Gzip || f == kmod.XZ || f == kmod.Zstd
	asIs := req.Call == FinitModule || req.Call == Modprobe && !compressed
	switch {
	case req.Call == InitModule && d.size < d.k.headerSize():
		d.stop("read", eNoExec, "", "init_module takes no file of less than %d bytes", d.k.headerSize())
		return false, nil
	case req.Call == InitModule:
		return true, nil
	case d.size == 0:
		d.stop("read", modsig.EINVAL, "", "the file is empty")
		return false, nil
	case asIs && d.flags&CompressedFile == 0:
		return true, nil
	}
	if d.size > maxStored {
		d.add("decompress", "", []Errno{unknown}, "%d bytes, more than are read", d.size)
		return false, nil
	}
	src := make([]byte, d.size)
	if n, err := d.r.ReadAt(src, 0); n < len(src) {
		return false, fmt.Errorf("reading: %w", err)
	}
	byKernel := d.k.Decompress
	if !asIs && byKernel == Yes && d.k.Decompressor != kmod.None && d.k.Decompressor != f {
		byKernel = No // modprobe asks the kernel what it decompresses
	}
	switch byKernel {
	case Yes:
		return d.decompress(src)
	case No:
		if asIs {
			d.stop("decompress", eNotSup, "", "the kernel was built without CONFIG_MODULE_DECOMPRESS")
			return false, nil
		}
		return d.userspace(src, f)
	}
	return d.eitherWay(src, f, asIs)
}

// decompress has the kernel's own decompressor read the module.
func (d *decision) decompress(src []byte) (bool, error) {
	if d.k.Decompressor == kmod.None {
		d.add("decompress", "", []Errno{unknown}, "it is not known which compression the kernel knows")
		return false, nil
	}
	d.buf.Reset()
	got, err := d.k.kernelDecode(d.dec, d.buf, src, d.o.MaxSize)
	if err != nil {
		return false, err
	}
	d.add("decompress", got.log, []Errno{got.errno}, "by the kernel: %s", got.text)
	d.r, d.size = d.buf, d.buf.Size()
	return got.errno == success, nil
}

// userspace has modprobe decompress the module. Tools read several streams or none
// of them, so that only a file that holds exactly one has a certain content.
func (d *decision) userspace(src []byte, f kmod.Compression) (bool, error) {
	if d.flags != 0 {
		d.add("decompress", "", []Errno{unknown}, "by modprobe, which then changes the module to force it")
		return false, nil
	}
	d.buf.Reset()
	_, err := d.dec.Decode(d.buf, bytes.NewReader(src), f, d.o.MaxSize)
	switch {
	case d.buf.Err() != nil:
		return false, d.buf.Err()
	case err != nil:
		d.add("decompress", "", []Errno{unknown}, "by modprobe, where tools differ: %v", err)
		return false, nil
	}
	d.r, d.size = d.buf, d.buf.Size()
	if d.size < d.k.headerSize() {
		d.stop("read", eNoExec, "", "init_module takes no module of less than %d bytes", d.k.headerSize())
		return false, nil
	}
	d.pass("decompress", "by modprobe: %v", f)
	return true, nil
}

// eitherWay is for a kernel of which it is not known whether it decompresses.
func (d *decision) eitherWay(src []byte, f kmod.Compression, asIs bool) (bool, error) {
	k := *d.k
	k.Decompressor = f
	var got decoded
	if magics[f] != "" {
		var err error
		d.buf.Reset()
		if got, err = k.kernelDecode(d.dec, d.buf, src, d.o.MaxSize); err != nil {
			return false, err
		}
	} else {
		got = refused("", "not compressed")
	}
	if asIs { // whether it is that format that the kernel knows is not known either
		errnos := []Errno{eNotSup, modsig.EINVAL}
		if got.errno != modsig.EINVAL {
			errnos = append(errnos, got.errno)
		}
		d.add("decompress", "", errnos, "by the kernel, if it can: %s", got.text)
		d.r, d.size = d.buf, d.buf.Size()
		return got.errno == success, nil
	}
	d.stages = nil
	goes, err := d.userspace(src, f)
	if err != nil || !goes {
		if err == nil && len(d.stages) > 0 && d.stages[0].Errno[0] != got.errno {
			d.stages[0].Errno = []Errno{unknown}
		}
		return goes, err
	}
	d.stages = nil
	if got.errno == success {
		d.pass("decompress", "%v, by the kernel or by modprobe", f)
		return true, nil
	}
	d.add("decompress", "", []Errno{success, got.errno}, "modprobe can, but if the kernel was built with CONFIG_MODULE_DECOMPRESS: %s", got.text)
	return true, nil
}
