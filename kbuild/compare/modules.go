// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
)

// Options of a comparison. The zero value is ready for use.
type Options struct {
	MaxModule int64  // decompressed size limit of a module in bytes; 0 is a default
	TempDir   string // for what does not fit into memory
	Workers   int    // how many pairs are compared at once; 0 is one
	Progress  kbuild.Progress
	// Explain is called with the ledgers of every pair of modules that differ,
	// from several goroutines. It gives regions their owners and must leave all
	// else as it is: the ledgers are checked afterwards. Nil: no ledgers are made.
	Explain func(*Pair)
	// Detail: list the items of a module's account up to [MaxDetail] of a cause.
	Detail bool
	// Blocks: fill in Account.Blocks, about 100 bytes for each section of each
	// module that differs.
	Blocks bool
}

// modulePair is one name on either side.
type modulePair struct {
	name string
	a, b *kbuild.Ref
}

// pairModules matches the modules of two builds by name.
func pairModules(a, b *kbuild.Build) []modulePair {
	byName := map[string]*modulePair{}
	var names []string
	get := func(name string) *modulePair {
		p := byName[name]
		if p == nil {
			p = &modulePair{name: name}
			byName[name] = p
			names = append(names, name)
		}
		return p
	}
	each := func(b *kbuild.Build, set func(*modulePair, *kbuild.Ref)) {
		for k, refs := range [][]kbuild.Ref{b.Modules(), b.Others()} {
			if k == 1 && b.BuildTree {
				break // left over from another configuration; not installed
			}
			for i := range refs {
				if refs[i].File != nil {
					set(get(refs[i].Name), &refs[i])
				}
			}
		}
	}
	each(a, func(p *modulePair, r *kbuild.Ref) { p.a = r })
	each(b, func(p *modulePair, r *kbuild.Ref) { p.b = r })
	slices.Sort(names)
	pairs := make([]modulePair, len(names))
	for i, n := range names {
		pairs[i] = *byName[n]
	}
	return pairs
}

// moduleWorker holds what is reused from pair to pair.
type moduleWorker struct {
	opA, opB   *kmod.Opener
	hash       [2]*hashset.Hasher
	spare      bool // processors have nothing to do: both sides are read at once
	bufA, bufB []byte
	ledgers    *ledgers // nil without an Explain
	explain    func(*Pair)
	detail     bool
	blocks     bool
}

func newModuleWorker(o *Options, budget *spool.Budget, room *semaphore.Weighted) *moduleWorker {
	ko := &kmod.Options{MaxSize: o.MaxModule, TempDir: o.TempDir, Budget: budget}
	w := &moduleWorker{
		opA: kmod.NewOpener(ko), opB: kmod.NewOpener(ko), hash: [2]*hashset.Hasher{hashset.NewHasher(hashset.Flat, 0), hashset.NewHasher(hashset.Flat, 0)},
		bufA: make([]byte, 128<<10), bufB: make([]byte, 128<<10), explain: o.Explain, detail: o.Detail, blocks: o.Blocks,
	}
	if w.explain != nil {
		w.ledgers = newLedgers(room)
	}
	return w
}

func (w *moduleWorker) close() {
	w.opA.Close() // nothing is written that could be lost
	w.opB.Close()
}

// accountedBudget is the memory in bytes of what is decoded in pieces, only to be
// read into memory as a whole, where it shall not be twice.
const accountedBudget = 1 << 20

// accountedRoom is how many decoded bytes are accounted for at once, of pairs whose
// payloads differ: the ledgers of a byte take about as much as the byte.
const accountedRoom = 24 << 20

// modules compares all pairs. The result is in the order of the pairs. Those that
// could need more than the room come first, one by one: while the results of all
// others are not there yet.
func modules(ctx context.Context, pairs []modulePair, o *Options) ([]Module, error) {
	out := make([]Module, len(pairs))
	order, large := bySize(pairs)
	budget := spool.NewBudget(spool.DefaultBudget)
	if o.Explain != nil {
		budget = spool.NewBudget(accountedBudget)
	} else {
		large = 0
	}
	room := semaphore.NewWeighted(accountedRoom)
	each := func(workers int, order []int) error {
		start := func() *moduleWorker {
			w := newModuleWorker(o, budget, room)
			w.spare = workers < o.Workers
			return w
		}
		return pool.Each(ctx, workers, len(order), start, (*moduleWorker).close, func(w *moduleWorker, i int) error {
			p := &pairs[order[i]]
			m, err := w.compare(ctx, p)
			if err != nil {
				return err
			}
			out[order[i]] = *m
			if o.Progress != nil {
				o.Progress(p.size())
			}
			return nil
		})
	}
	if err := each(1, order[:large]); err != nil {
		return nil, err
	}
	return out, each(o.Workers, order[large:])
}

// size is that of the stored files.
func (p *modulePair) size() int64 {
	var n int64
	for _, r := range []*kbuild.Ref{p.a, p.b} {
		if r != nil {
			n += r.File.Member().Size
		}
	}
	return n
}

// packedFactor is how much larger than its file a compressed module hardly ever is.
const packedFactor = 8

// bySize numbers the pairs, the largest first, and says how many of them could be
// larger than the room for all.
func bySize(pairs []modulePair) (order []int, large int) {
	order = make([]int, len(pairs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return -cmp.Compare(pairs[i].decoded(), pairs[j].decoded()) })
	for large < len(order) && pairs[order[large]].decoded() > accountedRoom {
		large++
	}
	return order, large
}

// decoded guesses the size of the decoded files, by their names.
func (p *modulePair) decoded() int64 {
	n := p.size()
	for _, r := range []*kbuild.Ref{p.a, p.b} {
		if r != nil && !strings.HasSuffix(r.File.Member().Name, ".ko") {
			return n * packedFactor
		}
	}
	return n
}

func (w *moduleWorker) compare(ctx context.Context, p *modulePair) (*Module, error) {
	m := &Module{Name: p.name, PosA: pos(p.a), PosB: pos(p.b)}
	var ca, cb kbuild.Content
	var err error
	if p.a != nil {
		if ca, err = open(p.a.File); err != nil {
			return nil, err
		}
		defer ca.Close() // read only, as below
	}
	if p.b != nil {
		if cb, err = open(p.b.File); err != nil {
			return nil, err
		}
		defer cb.Close()
	}
	if ca != nil && cb != nil {
		equal, err := w.equal(ca, cb)
		if err != nil {
			return nil, fmt.Errorf("comparing %s with %s: %w", p.a.File.Path(), p.b.File.Path(), err)
		}
		if equal {
			m.Stored = ca.Size()
			return m, nil
		}
	}
	return m, w.decode(ctx, m, p, ca, cb)
}

// decode compares two modules whose stored bytes differ, or looks at the one
// that there is.
func (w *moduleWorker) decode(ctx context.Context, m *Module, p *modulePair, ca, cb kbuild.Content) error {
	ma, mb, err := w.readBoth(m, p, ca, cb)
	if err != nil {
		return err
	}
	m.Verdict = Different
	switch {
	case ca == nil:
		m.Only = OnlyB
	case cb == nil:
		m.Only = OnlyA
	case ma != nil && mb != nil && m.A.Payload == m.B.Payload && ma.Trailer.Payload == mb.Trailer.Payload:
		m.Verdict = PayloadIdentical
		m.Compression = ma.Compression != mb.Compression
		sameTail, err := w.sameTail(ma, mb)
		if err != nil {
			return fmt.Errorf("comparing the trailers of %s and %s: %w", p.a.File.Path(), p.b.File.Path(), err)
		}
		m.Signature = !sameTail
		// Stored bytes that differ while all decompressed ones are equal come
		// from the compressor.
		m.Compression = m.Compression || sameTail
	}
	if w.ledgers != nil && ca != nil && cb != nil {
		m.Account, err = w.account(ctx, m, ma, mb, ca, cb)
	}
	return err
}

// readBoth opens the sides that there are.
func (w *moduleWorker) readBoth(m *Module, p *modulePair, ca, cb kbuild.Content) (ma, mb *kmod.Module, err error) {
	readA := func() (err error) {
		if ca != nil {
			m.A, ma, err = w.read(w.opA, w.hash[0], p.a, ca)
		}
		return err
	}
	readB := func() (err error) {
		if cb != nil {
			m.B, mb, err = w.read(w.opB, w.hash[1], p.b, cb)
		}
		return err
	}
	if !w.spare {
		if err = readA(); err == nil {
			err = readB()
		}
		return ma, mb, err
	}
	var g errgroup.Group
	g.Go(readB)
	errA := readA()
	return ma, mb, cmp.Or(errA, g.Wait())
}

// sameTail compares what follows two equal payloads.
func (w *moduleWorker) sameTail(a, b *kmod.Module) (bool, error) {
	if a.Decoded != b.Decoded {
		return false, nil
	}
	return w.equal(a.Tail(), b.Tail())
}

// read opens a module and hashes its payload. A file that is no module is told
// by Problem, and the Module is nil then.
func (w *moduleWorker) read(op *kmod.Opener, hash *hashset.Hasher, r *kbuild.Ref, c kbuild.Content) (*ModuleFile, *kmod.Module, error) {
	f := &ModuleFile{Path: r.File.Path(), Stored: c.Size()}
	m, err := op.Open(c, c.Size())
	var fe *kmod.FormatError
	if errors.As(err, &fe) {
		f.Problem = err.Error()
		return f, nil, nil
	}
	if err == nil {
		hash.Reset(0)
		err = m.WritePayload(hash)
	}
	if err == nil {
		var signer *modsig.Signer
		signer, err = m.Signer()
		f.Trailer = m.TrailerName(signer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", f.Path, err)
	}
	f.Payload, _ = hash.Sum()
	f.Compression = m.Compression.String()
	return f, m, nil
}

func pos(r *kbuild.Ref) int {
	if r == nil {
		return -1
	}
	return r.Pos
}

func open(f *kbuild.File) (kbuild.Content, error) {
	c, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Path(), err)
	}
	return c, nil
}

// sized is content with a length.
type sized interface {
	io.ReaderAt
	Size() int64
}

func (w *moduleWorker) equal(a, b sized) (bool, error) {
	return equalContent(a, b, w.bufA, w.bufB)
}

// equalContent compares all bytes, piece by piece.
func equalContent(a, b sized, bufA, bufB []byte) (bool, error) {
	size := a.Size()
	if size != b.Size() {
		return false, nil
	}
	for off := int64(0); off < size; off += int64(len(bufA)) {
		n := int(min(int64(len(bufA)), size-off))
		if got, err := a.ReadAt(bufA[:n], off); got < n {
			return false, readError(off, err)
		}
		if got, err := b.ReadAt(bufB[:n], off); got < n {
			return false, readError(off, err)
		}
		if !bytes.Equal(bufA[:n], bufB[:n]) {
			return false, nil
		}
	}
	return true, nil
}

func readError(off int64, err error) error {
	if errors.Is(err, io.EOF) {
		err = errors.New("the file has become shorter")
	}
	return fmt.Errorf("at offset %d: %w", off, err)
}

// addModules counts the compared modules, finds moved and renamed ones, and
// keeps those worth telling.
func (c *Comparison) addModules(all []Module, ordered bool) {
	if ordered {
		markMoved(all)
	}
	findTwins(all)
	n := &c.Count
	for i := range all {
		m := &all[i]
		if m.Only != OnlyB {
			n.A++
		}
		if m.Only != OnlyA {
			n.B++
		}
		switch {
		case m.Only == OnlyA:
			n.OnlyA++
			if m.TwinA != "" {
				n.Renamed++
			}
		case m.Only == OnlyB:
			n.OnlyB++
		case m.Verdict == Identical:
			n.Identical++
		case m.Verdict == Different:
			n.Different++
		case m.Signature && m.Compression:
			n.SignatureAndCompression++
		case m.Signature:
			n.Signature++
		default:
			n.Compression++
		}
		switch {
		case m.Moved:
			n.Moved++
		case ordered && m.Only == Both && m.PosA != m.PosB:
			n.Shifted++
		}
		if m.Verdict != Identical || m.Moved {
			c.Modules = append(c.Modules, *m)
		}
		if m.Verdict == Identical && !m.Moved {
			c.Equal = append(c.Equal, Equal{m.Name, m.Stored})
		}
	}
}

// markMoved finds the modules whose relative order differs; one that is listed
// on one side only has moved out of, or into, the list.
func markMoved(all []Module) {
	var listed []placed
	for _, m := range all {
		if m.Only == Both && m.PosA >= 0 && m.PosB >= 0 {
			listed = append(listed, placed{m.Name, m.PosA, m.PosB})
		}
	}
	keep := inOrder(listed)
	for i := range all {
		if m := &all[i]; m.Only == Both {
			m.Moved = (m.PosA >= 0) != (m.PosB >= 0) || m.PosA >= 0 && !keep[m.Name]
		}
	}
}

// findTwins finds payloads that lie under another name on the other side.
func findTwins(all []Module) {
	byDigest := func(side func(*Module) *ModuleFile) map[hashset.Digest]string {
		names := map[hashset.Digest]string{}
		for i := range all {
			f := side(&all[i])
			if f == nil || f.Problem != "" {
				continue
			}
			if _, dup := names[f.Payload]; !dup { // all is sorted by name
				names[f.Payload] = all[i].Name
			}
		}
		return names
	}
	sideA := func(m *Module) *ModuleFile { return m.A }
	sideB := func(m *Module) *ModuleFile { return m.B }
	inA, inB := byDigest(sideA), byDigest(sideB)
	for i := range all {
		m := &all[i]
		if m.Verdict != Different {
			continue
		}
		if m.A != nil && m.A.Problem == "" && inB[m.A.Payload] != m.Name {
			m.TwinA = inB[m.A.Payload]
		}
		if m.B != nil && m.B.Problem == "" && inA[m.B.Payload] != m.Name {
			m.TwinB = inA[m.B.Payload]
		}
	}
}

func sortModules(ms []Module) {
	slices.SortFunc(ms, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) })
}
