// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/trailer"
)

const signFileName = "sign-file"

const signFileLong = `Does what the kernel's host program scripts/sign-file does, with the same options,
arguments, files and exit codes, so that the kernel's build, dkms and packaging call
it in its place; also when the program is called sign-file (by a link).

  -p  save the message in MODULE.p7s too
  -d  only save it in MODULE.p7s, and leave MODULE as it is
  -k  name the signer by the certificate's key id
  -s  append the signature message in the file SIGNATURE; HASH and CERT do not matter

HASH is a digest as OpenSSL calls it, of those that current kernels verify. KEY is as in
"modhash sign", and RSA keys of 1024 and 1536 bits sign too (not of 512); the PIN of
an encrypted one is in the environment variable KBUILD_SIGN_PIN and is asked for
nowhere else. CERT is PEM or DER. Without DEST, MODULE is replaced.

Signatures by RSA keys are the same byte for byte. With ECDSA and ML-DSA keys in files
they are the same in every run, which those of the kernel's program are not. The
signature is verified before it is written, the file is read again before it takes
the place of MODULE, and keeps its mode and owner; where MODULE is a link, it takes the
place of what that leads to, while the kernel's program replaces the link. As that
program, this one takes any file and appends to what is there, with a warning if that
is compressed or signed already: "modhash sign" is for modules.`

const signFileExample = `$ modhash sign-file sha256 sample/keys/a.pem sample/keys/a.crt sample/tree/fs/xfs/xfs.ko xfs.ko
$ cmp xfs.ko sample/a/usr/lib/modules/6.12.0-sample/kernel/fs/xfs/xfs.ko`

// signFileArgs is a command line of sign-file.
type signFileArgs struct {
	raw, save, only, keyID      bool
	first, second, cert, module string // first: HASH, or SIGNATURE with -s
	dest                        string
	inPlace                     bool // the module is replaced
}

func (a *app) signFile() *cobra.Command {
	cmd := &cobra.Command{
		Use:         signFileName + " [-dpk] HASH KEY CERT MODULE [DEST] | -s SIGNATURE HASH CERT MODULE [DEST]",
		Short:       "the kernel's host program of that name",
		Long:        signFileLong,
		Example:     signFileExample,
		Annotations: map[string]string{exitAnnotation: "0 the files were written\n1 anything went wrong\n2 not these options, or not four or five arguments"},
		// They are those of getopt, and names may look like others.
		DisableFlagParsing: true,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
			return cmd.Help()
		case len(args) > 0 && args[0] == "--": // from byName
			args = args[1:]
		}
		s, err := parseSignFile(args, os.Getenv("POSIXLY_CORRECT") != "")
		if err != nil {
			return &codeError{exitTrouble, err}
		}
		if err := a.runSignFile(cmd.Context(), s); err != nil {
			return &codeError{1, err}
		}
		return nil
	}
	return cmd
}

// parseSignFile reads the arguments as getopt(3) does for sign-file: options may
// stand between and behind the others, unless posix is set, and share a hyphen.
func parseSignFile(args []string, posix bool) (*signFileArgs, error) {
	s := &signFileArgs{}
	var rest []string
	for i, arg := range args {
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			if posix {
				rest = append(rest, args[i:]...)
				break
			}
			rest = append(rest, arg)
			continue
		}
		for _, c := range arg[1:] {
			switch c {
			case 's':
				s.raw = true
			case 'p':
				s.save = true
			case 'd':
				s.save, s.only = true, true
			case 'k':
				s.keyID = true
			default:
				return nil, usageError("no option -%c", c)
			}
		}
	}
	if len(rest) < 4 || len(rest) > 5 {
		return nil, usageError("%d arguments, want HASH, KEY, CERT, MODULE and perhaps DEST, or with -s SIGNATURE, HASH, CERT, MODULE and perhaps DEST", len(rest))
	}
	s.first, s.second, s.cert, s.module = rest[0], rest[1], rest[2], rest[3]
	if s.inPlace = len(rest) == 4 || rest[4] == s.module; !s.inPlace {
		s.dest = rest[4]
	}
	return s, nil
}

func (a *app) runSignFile(ctx context.Context, s *signFileArgs) error {
	module, st, err := openModule(s.module)
	if err != nil {
		return err
	}
	defer module.Close() // read only
	der, err := a.signFileMessage(ctx, s, module, st.Size())
	if err != nil {
		return err
	}
	if s.save && !s.raw {
		err := a.output(ctx, s.module+".p7s", func(w io.Writer) error {
			_, err := w.Write(der)
			return err
		})
		if err != nil || s.only {
			return err
		}
	}
	a.signFileWarn(s.module, module, st.Size())
	if err := ctx.Err(); err != nil {
		return err
	}
	return writeSigned(s, module, st, trailer.Append(nil, der, trailer.PKCS7))
}

// openModule opens a regular file. A pipe is not opened, since that waits for its
// writer.
func openModule(name string) (*os.File, os.FileInfo, error) {
	st, err := os.Stat(name)
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		pe.Op = "open" // as it is told of what cannot be opened
	}
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if st, err = f.Stat(); err != nil {
		f.Close() // read only
		return nil, nil, err
	}
	return f, st, nil
}

// signFileMessage makes the message or, with -s, reads it.
func (a *app) signFileMessage(ctx context.Context, s *signFileArgs, module io.ReaderAt, size int64) ([]byte, error) {
	if s.raw {
		return readSmall(ctx, s.first)
	}
	h, ok := keys.ParseHash(s.first)
	if !ok {
		return nil, withHint(fmt.Errorf("no signatures are made with the hash %q", s.first), "current kernels verify those with %s", join(keys.HashNames()))
	}
	cert, err := keys.ReadCertificate(ctx, s.cert)
	if err != nil {
		return nil, err
	}
	key, err := keys.Open(ctx, s.second, cert, &keys.Options{Start: a.starter(0), Short: true, Token: tokenProgram(""), PIN: func(context.Context, string) ([]byte, error) {
		return []byte(os.Getenv(pinVariable)), nil
	}})
	if errors.Is(err, keys.ErrNoPIN) {
		err = withHint(err, "it is taken from the environment variable %s", pinVariable)
	}
	if err != nil {
		return nil, err
	}
	defer key.Close() // the signature was verified
	return key.Sign(modsig.NewPayload(module, size), modsig.SignOptions{Hash: h, KeyID: s.keyID})
}

// readSmall reads a file of signatures or the like.
func readSmall(ctx context.Context, path string) ([]byte, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(untilDone{ctx, f}, keys.MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	case len(data) > keys.MaxFile:
		return nil, fmt.Errorf("%s has more than %d bytes, which is no signature", path, keys.MaxFile)
	}
	return data, nil
}

// signFileWarn tells what the kernel's program does not see.
func (a *app) signFileWarn(name string, module io.ReaderAt, size int64) {
	head := make([]byte, 6)
	n, _ := module.ReadAt(head, 0) // a read error shows when it is copied
	for kind, magic := range map[string]string{"gzip": "\x1f\x8b", "xz": "\xfd7zXZ\x00", "zstd": "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(head[:n], []byte(magic)) {
			a.warn("%s is compressed with %s; a kernel does not find a signature behind that", name, kind)
		}
	}
	if t, err := trailer.Split(module, size); err == nil && t.State != trailer.None {
		a.warn("%s ends in a signature already; a kernel looks at the last one", name)
	}
}

// writeSigned writes module and trailer to where they belong.
func writeSigned(s *signFileArgs, module *os.File, st os.FileInfo, tail []byte) error {
	size := st.Size() + int64(len(tail))
	content := func() io.Reader {
		return io.MultiReader(io.NewSectionReader(module, 0, st.Size()), bytes.NewReader(tail))
	}
	write := func(w io.Writer) error {
		if n, err := io.Copy(w, content()); err != nil || n != size {
			return cmp.Or(err, errors.New("the module became shorter while it was read"))
		}
		f, ok := w.(*os.File)
		if !ok {
			return nil
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return err // a device or a pipe is not read again
		}
		return sameContent(f, content(), size)
	}
	if !s.inPlace {
		if s.dest == "" {
			return errors.New("the name of DEST is empty")
		}
		if err := outfile.Write(s.dest, outfile.Options{}, write); err != nil {
			return fmt.Errorf("writing %s: %w", s.dest, outfile.Bare(err))
		}
		return nil
	}
	name, err := filepath.EvalSymlinks(s.module)
	if err == nil {
		err = outfile.Replace(name, outfile.Options{Like: st}, func(f *os.File) error { return write(f) })
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.module, outfile.Bare(err))
	}
	return nil
}

// sameContent reads a new file again and compares it with what was to be written.
func sameContent(f io.ReaderAt, want io.Reader, size int64) error {
	var chunk [2][64 << 10]byte
	for off := int64(0); off < size; {
		n := int(min(size-off, int64(len(chunk[0]))))
		if _, err := io.ReadFull(want, chunk[0][:n]); err != nil {
			return fmt.Errorf("the file changed while it was read: %w", err)
		}
		if _, err := f.ReadAt(chunk[1][:n], off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.Equal(chunk[0][:n], chunk[1][:n]) {
			return fmt.Errorf("the new file differs from what was written, behind offset %d", off)
		}
		off += int64(n)
	}
	if n, err := f.ReadAt(chunk[1][:1], size); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("the new file has more than the %d bytes that were written", size)
	}
	return nil
}
