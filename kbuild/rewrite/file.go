// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/modsig/trailer"
)

// group rewrites the one file that has the names of g.
func (w *worker) group(ctx context.Context, g []int) error {
	defer w.done(g)
	res := &w.results[g[0]]
	err := res.Err // of the look-up
	if err == nil {
		err = w.rewrite(ctx, g, res)
	}
	if err != nil {
		for _, i := range g {
			if f := &w.results[i]; f.Outcome == Untried {
				f.Outcome, f.Err = Failed, err
			}
		}
	}
	return err
}

// rewrite fills res and those of the other names in g.
func (w *worker) rewrite(ctx context.Context, g []int, res *Result) (err error) {
	src, err := openSource(w.from, w.files[g[0]].Name, w.Out != nil)
	if err != nil {
		return err
	}
	defer src.close()
	if err := w.checkLinks(src, len(g)); err != nil {
		return err
	}
	j := &job{worker: w, src: src, size: src.size(), group: g}
	if j.target, err = w.open(src, g[0]); err != nil {
		return err
	}
	res.Compression = j.target.Module.Compression
	res.Before, res.After = j.size, j.size
	outcome, err := j.decide(ctx)
	if err != nil {
		return err
	}
	if outcome != Unchanged || w.Out != nil {
		if err := j.replace(ctx, res, outcome); err != nil {
			return err
		}
	}
	for _, i := range g {
		if f := &w.results[i]; f.Outcome == Untried {
			name := f.Name
			*f = *res
			f.Name, f.Outcome = name, outcome
		}
	}
	return nil
}

func (w *worker) checkLinks(src *source, given int) error {
	if w.Out != nil || w.BreakLinks || src.links() <= uint64(given) {
		return nil
	}
	// A run that was killed while it made links may have left one.
	if err := w.removeStale(src); err != nil {
		return err
	}
	if n := src.links(); n > uint64(given) {
		return fmt.Errorf("%w: %d of its %d names were given", ErrLinks, given, n)
	}
	return nil
}

// open opens the module and peels its trailers.
func (w *worker) open(src *source, i int) (*Target, error) {
	m, err := w.old.Open(src, src.size())
	if err != nil {
		return nil, err
	}
	t := &Target{Index: i, Name: w.files[i].Name, Module: m, size: m.Trailer.Payload}
	tr := m.Trailer
	for tr.State == trailer.Valid {
		t.Layers = append(t.Layers, tr)
		t.size = tr.Payload
		if tr, err = trailer.Split(m.Payload(), t.size); err != nil {
			return nil, fmt.Errorf("reading: %w", err)
		}
	}
	if tr.State != trailer.None {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, tr.Reason)
	}
	return t, nil
}

// job is the rewriting of one file.
type job struct {
	*worker
	src    *source
	size   int64 // of the stored file
	group  []int
	target *Target
	want   []byte // the trailer
}

// decide asks the Edit and says what is to be done.
func (j *job) decide(ctx context.Context) (Outcome, error) {
	t := j.target
	change, err := j.edit(ctx, t)
	if err != nil {
		return Failed, err
	}
	j.want = change.Trailer
	switch {
	case change.Keep || len(t.Layers) == 0 && len(j.want) == 0:
		return j.fit(change)
	case len(t.Layers) == 0:
		return Added, nil
	case len(t.Layers) == 1:
		same, err := endsIn(t.Module.Tail(), j.want)
		if err != nil {
			return Failed, fmt.Errorf("reading: %w", err)
		}
		if same {
			return j.fit(change)
		}
	}
	if !change.Replace {
		return Failed, fmt.Errorf("%w: %s", ErrTrailer, describe(t))
	}
	if len(j.want) == 0 {
		return Removed, nil
	}
	return Replaced, nil
}

// fit is the outcome for a file with the trailer that it should have.
func (j *job) fit(c Change) (Outcome, error) {
	t := j.target
	if !c.Fit || len(t.Layers) > 1 {
		return Unchanged, nil
	}
	if why, err := Unfit(j.src, t.Module.Compression); why == "" || err != nil {
		return Unchanged, err
	}
	tail := t.Module.Tail()
	j.want = make([]byte, tail.Size())
	if n, err := tail.ReadAt(j.want, 0); n < len(j.want) {
		return Failed, fmt.Errorf("reading: %w", err)
	}
	return Recompressed, nil
}

// Unfit tells why a kernel's own decompressor may not take a stored file with the
// given compression, "" if each does. It looks at the start of the file only. The
// error is one of reading.
func Unfit(r io.ReaderAt, c kmod.Compression) (string, error) {
	head := make([]byte, codec.KernelHead)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading: %w", err)
	}
	return codec.Unfit(head[:n], c), nil
}

// describe names what is in the way.
func describe(t *Target) string {
	if n := len(t.Layers); n > 1 {
		return fmt.Sprintf("%d trailers, one behind the other", n)
	}
	// A signature that cannot be read is still one.
	signer, _ := t.Module.Signer()
	return t.Module.TrailerName(signer)
}

// endsIn reports whether r holds b and nothing else.
func endsIn(r *io.SectionReader, b []byte) (bool, error) {
	if r.Size() != int64(len(b)) {
		return false, nil
	}
	got := make([]byte, len(b))
	if n, err := r.ReadAt(got, 0); n < len(got) {
		return false, err
	}
	return bytes.Equal(got, b), nil
}

// replace writes the new file, checks it and gives it the names of the group.
func (j *job) replace(ctx context.Context, res *Result, outcome Outcome) error {
	first := j.outName(j.group[0])
	dst, err := j.create(first)
	if err != nil {
		return fmt.Errorf("making the new file: %w", err)
	}
	defer dst.discard()
	if outcome == Unchanged {
		err = j.write(ctx, dst, func(w io.Writer) error { return copyN(w, j.src, j.size) })
	} else {
		err = j.write(ctx, dst, func(w io.Writer) error { return j.encode(ctx, w) })
	}
	if err != nil {
		return fmt.Errorf("writing the new file: %w", err)
	}
	if err := j.check(ctx, dst, res, outcome); err != nil {
		return err
	}
	if res.Dropped, err = dst.adopt(j.src, j.Out != nil); err != nil {
		return err
	}
	if !j.Unsynced {
		if err := dst.sync(); err != nil {
			return fmt.Errorf("writing the new file to the disk: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := j.src.same(); err != nil {
		return err
	}
	if err := dst.commit(j.src); err != nil {
		return fmt.Errorf("putting the new file in place: %w", err)
	}
	j.changed(first)
	return j.relink(dst, res, outcome)
}

// relink makes the other names of the group links to the new file. What fails
// here fails for these names only: the first one is done.
func (j *job) relink(dst *product, res *Result, outcome Outcome) error {
	res.Outcome = outcome
	var first error
	for _, i := range j.group[1:] {
		name := j.outName(i)
		err := j.makeFolder(name)
		if err == nil && j.Out == nil {
			err = j.src.alsoNamed(j.root, j.files[i].Name)
		}
		if err == nil {
			err = dst.link(j.to, name)
		}
		if err != nil {
			err = fmt.Errorf("linking it to %s, which is done: %w", j.outName(j.group[0]), outfile.Bare(err))
			j.results[i].Outcome, j.results[i].Err = Failed, err
			if first == nil {
				first = err
			}
			continue
		}
		j.changed(name)
	}
	return first
}

func (w *worker) outName(i int) string {
	if f := w.files[i]; f.Out != "" {
		return f.Out
	}
	return w.files[i].Name
}

// makeFolder makes that of a file, if it is not that of the file before.
func (w *worker) makeFolder(name string) error {
	dir := path.Dir(name)
	if w.Out == nil || dir == w.made {
		return nil
	}
	if err := w.Out.MkdirAll(dir, 0o755); err != nil {
		return outfile.Bare(err)
	}
	w.made = dir
	return nil
}

func (w *worker) create(name string) (*product, error) {
	if err := w.makeFolder(name); err != nil {
		return nil, err
	}
	return createProduct(w.into, name, w.noTemp)
}

// write has fill write into the new file.
func (j *job) write(ctx context.Context, dst *product, fill func(io.Writer) error) error {
	var sink io.Writer = dst
	if j.sink != nil {
		sink = j.sink(sink)
	}
	j.buf.Reset(&ctxWriter{ctx, sink})
	defer j.buf.Reset(nil)
	if err := fill(j.buf); err != nil {
		return err
	}
	return j.buf.Flush()
}

// encode writes payload and trailer, compressed as the old file is.
func (j *job) encode(ctx context.Context, w io.Writer) error {
	t, c := j.target, j.target.Module.Compression
	if c == kmod.None {
		if err := t.WritePayload(w); err != nil {
			return err
		}
		_, err := w.Write(j.want)
		return err
	}
	in := &ctxReader{ctx, io.MultiReader(t.Payload(), bytes.NewReader(j.want))}
	size := t.size + int64(len(j.want))
	enc := <-j.encoders
	defer func() { j.encoders <- enc }()
	if j.Compressor != nil {
		return j.Compressor.Compress(ctx, w, in, size, c)
	}
	return enc.Encode(w, in, size, c)
}

// ctxWriter and ctxReader fail once their context is done.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c *ctxWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func copyN(w io.Writer, r io.ReaderAt, n int64) error {
	got, err := io.Copy(w, io.NewSectionReader(r, 0, n))
	if err == nil && got < n {
		err = ErrChanged
	}
	return err
}
