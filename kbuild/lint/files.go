// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
)

// File scans one built file as it is stored: a vmlinux, an uncompressed image or
// module, or anything else. name is what findings call it.
func (s *Scanner) File(name string, r io.ReaderAt, size int64) (*Report, error) {
	rep := &Report{}
	leaks, err := s.Scan(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	rep.addLeaks(name, leaks, sections(r, size, leaks))
	s.compressed(rep, name, r, size)
	return rep, nil
}

// Build scans the modules of a build, decompressed, and what else is given as
// files: images by their unpacked content, vmlinux. A module that cannot be
// decompressed is named in Report.Unknown. An error is trouble with reading.
// The report does not depend on the number of workers; 0 is that of the
// processors.
func (s *Scanner) Build(ctx context.Context, b *kbuild.Build, o *kbuild.Options) (*Report, error) {
	if o == nil {
		o = &kbuild.Options{}
	}
	refs := slices.Concat(b.Modules(), b.Others())
	reports := make([]Report, len(refs))
	budget := spool.NewBudget(spool.DefaultBudget)
	start := func() *kmod.Opener {
		return kmod.NewOpener(&kmod.Options{MaxSize: o.MaxModule, TempDir: o.TempDir, Budget: budget})
	}
	err := pool.Each(ctx, o.EffectiveWorkers(), len(refs), start, func(w *kmod.Opener) { _ = w.Close() }, func(w *kmod.Opener, i int) error {
		return s.module(w, &refs[i], &reports[i])
	})
	if err != nil {
		return nil, err
	}
	all := &Report{}
	for i := range reports {
		all.Join(&reports[i])
	}
	return all, nil
}

// Join appends what another report says.
func (r *Report) Join(other *Report) {
	r.Findings = append(r.Findings, other.Findings...)
	r.Unknown = append(r.Unknown, other.Unknown...)
}

func (s *Scanner) module(w *kmod.Opener, ref *kbuild.Ref, rep *Report) (err error) {
	if ref.File == nil {
		rep.Unknown = append(rep.Unknown, Unknown{"leak", ref.Name, "modules.order lists it, but it is not there"})
		return nil
	}
	c, err := ref.File.Open()
	if err != nil {
		return fmt.Errorf("reading %s: %w", ref.File.Path(), err)
	}
	defer func() {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}()
	m, err := w.Open(c, c.Size())
	var fe *kmod.FormatError
	if errors.As(err, &fe) {
		rep.Unknown = append(rep.Unknown, Unknown{"leak", ref.Name, err.Error()})
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", ref.File.Path(), err)
	}
	p := m.Payload()
	leaks, err := s.Scan(p)
	if err != nil {
		return fmt.Errorf("reading %s: %w", ref.File.Path(), err)
	}
	rep.addLeaks(ref.Name, leaks, sections(p, p.Size(), leaks))
	s.compressed(rep, ref.Name, p, p.Size())
	return nil
}

// addLeaks turns leaks into findings; where says behind the offset of each what part of
// the file that is in.
func (r *Report) addLeaks(name string, leaks []Leak, where []string) {
	for i, l := range leaks {
		f := Finding{Rule: "leak-" + string(l.Kind), Severity: Error, File: name, Fix: leakFixes[l.Kind]}
		for _, rule := range leakRules {
			if rule.ID == f.Rule {
				f.Why = rule.Why
			}
		}
		times := "once"
		if l.Count > 1 {
			times = fmt.Sprintf("%d times, first", l.Count)
		}
		f.Found = fmt.Sprintf("%s %s at offset %d%s: %s", quote(l.Text), times, l.Offset, where[i], quote(l.Context))
		r.Findings = append(r.Findings, f)
	}
}

var leakFixes = map[Kind]string{
	Host: "set KBUILD_BUILD_HOST; if it comes from elsewhere, the text around it tells from where",
	User: "set KBUILD_BUILD_USER, and build in a folder that does not name the user",
	Path: "build in one agreed folder, or map it: -fdebug-prefix-map and -fmacro-prefix-map in KCFLAGS and KAFLAGS",
	Date: "set KBUILD_BUILD_TIMESTAMP, and SOURCE_DATE_EPOCH for code that uses __DATE__",
}

// sections says for each leak in which ELF section it is; "" where there is none, as in
// a file that is not ELF.
func sections(r io.ReaderAt, size int64, leaks []Leak) []string {
	names := make([]string, len(leaks))
	if len(leaks) == 0 {
		return names
	}
	f, err := elfview.Parse(r, size)
	if err != nil {
		return names // a name is a help for the reader, no part of the finding
	}
	for i, l := range leaks {
		for _, s := range f.Sections {
			if s.Type != elfview.SHTNobits && uint64(l.Offset) >= s.Offset && uint64(l.Offset)-s.Offset < s.Size {
				names[i] = " in section " + quote(s.Name)
			}
		}
	}
	return names
}
