// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// overContents are extended attributes that would be wrong for the new file:
// the hash or signature of the old bytes, and of the old inode.
var overContents = []string{"security.evm", "security.ima"}

// adopt gives the new file owner, mode and extended attributes of the old one,
// and returns the names of the attributes that it does not get. lenient: what
// the user may not set is left out; in any case so is what the file system does
// not know.
func (p *product) adopt(s *source, lenient bool) (dropped []string, err error) {
	fd := int(p.File.Fd())
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return nil, err
	}
	if st.Uid != s.st.Uid || st.Gid != s.st.Gid {
		// Before the mode: a change of owner clears bits of it.
		err := unix.Fchown(fd, int(s.st.Uid), int(s.st.Gid))
		if err != nil && !(lenient && errors.Is(err, unix.EPERM)) {
			return nil, fmt.Errorf("keeping the owner %d:%d: %w", s.st.Uid, s.st.Gid, err)
		}
	}
	if err := unix.Fchmod(fd, s.st.Mode&0o7777); err != nil {
		return nil, fmt.Errorf("keeping the mode: %w", err)
	}
	want, err := attributes(s.File)
	if err != nil {
		return nil, fmt.Errorf("reading the extended attributes: %w", err)
	}
	have, err := attributes(p.File)
	if err != nil && !lenient {
		return nil, fmt.Errorf("reading the extended attributes: %w", err)
	}
	for _, a := range have {
		// What the folder passes on to a new file, an access control list above
		// all. The labels of security modules cannot be removed and need not be.
		if !strings.HasPrefix(a.name, "security.") && find(want, a.name) == nil {
			if err := unix.Fremovexattr(fd, a.name); err != nil && !absent(err) {
				return nil, fmt.Errorf("removing the extended attribute %s: %w", a.name, err)
			}
		}
	}
	for _, a := range want {
		old := find(have, a.name)
		switch {
		case slices.Contains(overContents, a.name):
			dropped = append(dropped, a.name)
			continue
		case old != nil && bytes.Equal(old.value, a.value):
			continue
		}
		err := unix.Fsetxattr(fd, a.name, a.value, 0)
		switch {
		case err == nil:
		case errors.Is(err, unix.ENOTSUP), lenient && errors.Is(err, unix.EPERM):
			dropped = append(dropped, a.name)
		default:
			return nil, fmt.Errorf("keeping the extended attribute %s: %w", a.name, err)
		}
	}
	return dropped, nil
}

type attribute struct {
	name  string
	value []byte
}

func find(list []attribute, name string) *attribute {
	i := slices.IndexFunc(list, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// attributes returns the extended attributes of a file, by name. Values have at
// most 64 KiB, and so has the list of names.
func attributes(f *os.File) ([]attribute, error) {
	fd := int(f.Fd())
	names, err := growing(func(b []byte) (int, error) { return unix.Flistxattr(fd, b) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []attribute
	for name := range strings.SplitSeq(string(names), "\x00") {
		if name == "" {
			continue
		}
		value, err := growing(func(b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) })
		switch {
		case absent(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, attribute{name, value})
	}
	slices.SortFunc(list, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// absent: there is no such attribute.
func absent(err error) bool { return errors.Is(err, unix.ENODATA) }

// growing calls get with a buffer that is large enough. With an empty one, get
// returns the size.
func growing(get func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := get(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		b := make([]byte, n)
		n, err = get(b)
		if !errors.Is(err, unix.ERANGE) {
			return b[:max(n, 0)], err
		}
	}
}
