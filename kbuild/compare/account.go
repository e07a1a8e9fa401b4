// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/kmod"
)

// Account is what the ledgers of one pair of module files come to.
type Account struct {
	// Layers holds what differs at each layer that was looked at; of a module
	// that is not compressed, the stored layer is the decoded one.
	Layers []LayerTally
	// Items say what the differing bytes of the stored and of the innermost
	// layer are attributed to: largest class first, see [Item].
	Items []Item
	// Blocks says where in the file they are, in the order of side A, then what
	// only B has: of the innermost layer, or the stored one where there is no
	// other. Nil without [Options.Blocks].
	Blocks []BlockTally
	// Opaque says why the payload was compared as mere bytes; "" if it was not.
	Opaque string
	// Fault: a ledger failed its own check. That is a bug of this program; all
	// differing bytes of the file then count as unexplained.
	Fault string
}

// LayerTally is the tally of one layer, in all and by class.
type LayerTally struct {
	Layer Layer
	Tally
	// Unexplained and Changes are the parts of the tally that no rule explains,
	// and that are changes of named things.
	Unexplained, Changes Tally
}

// Item is one owner of differing bytes at one layer of one pair of files.
type Item struct {
	Layer Layer
	Owner // Cause is nil for what no rule explains
	Tally
	Regions int
	// More counts the items of this cause that are not listed one by one but
	// together in this one, which then has no subject; see [MaxItems].
	More int
	// First is where the regions begin on either side.
	First struct{ A, B Range }
	// ContextA and ContextB show the bytes there, in hex, of what is unexplained,
	// and with all detail of changes.
	ContextA, ContextB string
}

// Class is that of the item's cause, or [Unexplained].
func (i *Item) Class() Class {
	if i.Cause == nil {
		return Unexplained
	}
	return i.Cause.Class
}

// ID is that of the item's cause, or "unexplained".
func (i *Item) ID() string {
	if i.Cause == nil {
		return string(Unexplained)
	}
	return i.Cause.ID
}

// MaxItems is how many items of one cause at one layer an Account lists, those
// with most bytes first; all others are one more. With all detail it is MaxDetail,
// more than anybody reads.
const (
	MaxItems  = 2
	MaxDetail = 10_000
)

// Explained reports whether nothing of the pair is unexplained or a change.
func (a *Account) Explained() bool {
	if a.Fault != "" {
		return false
	}
	for _, l := range a.Layers {
		if !l.Unexplained.IsZero() || !l.Changes.IsZero() {
			return false
		}
	}
	return true
}

// mirror returns the account with the sides swapped.
func (a *Account) mirror() *Account {
	if a == nil {
		return nil
	}
	m := *a
	swap := func(t Tally) Tally { return Tally{t.ChangedB, t.ChangedA, t.Moved} }
	m.Layers = slices.Clone(a.Layers)
	for i, l := range a.Layers {
		m.Layers[i] = LayerTally{l.Layer, swap(l.Tally), swap(l.Unexplained), swap(l.Changes)}
	}
	m.Items = slices.Clone(a.Items)
	for i := range m.Items {
		it := &m.Items[i]
		it.Owner.A, it.Owner.B, it.Tally = it.Owner.B, it.Owner.A, swap(it.Tally)
		it.First.A, it.First.B, it.ContextA, it.ContextB = it.First.B, it.First.A, it.ContextB, it.ContextA
	}
	m.Blocks = mirrorBlocks(a.Blocks)
	return &m
}

// itemKey is what items are collected by.
type itemKey struct {
	layer      Layer
	id         string
	subj, a, b string
}

// accountant collects items; it keeps its memory from pair to pair.
type accountant struct {
	byOwner []int32 // of each owner of the ledger its item, -1 for none yet
	byKey   map[itemKey]int
	items   []Item
	order   []int32 // see sorted
	strings map[string]string
}

// clone makes a string that outlives the pair; most are those of many modules.
func (c *accountant) clone(s string) string {
	if t, ok := c.strings[s]; ok {
		return t
	}
	if len(c.strings) > 1<<12 || c.strings == nil {
		c.strings = map[string]string{}
	}
	s = strings.Clone(s)
	c.strings[s] = s
	return s
}

// add counts a ledger.
func (c *accountant) add(p *Pair, l *Ledger, acc *Account) {
	sum := LayerTally{Layer: l.Layer}
	c.byOwner = fill(c.byOwner, len(l.owners))
	for i := range l.regions {
		r := &l.regions[i]
		if r.relation == Same {
			continue
		}
		sum.add(r)
		switch l.class(r) {
		case Unexplained:
			sum.Unexplained.add(r)
		case CodeChange:
			sum.Changes.add(r)
		}
		c.region(p, l, i)
	}
	acc.Layers = append(acc.Layers, sum)
}

// region adds region i to its item.
func (c *accountant) region(p *Pair, l *Ledger, i int) {
	r := &l.regions[i]
	at := -1
	if r.who > 0 {
		at = int(c.byOwner[r.who])
	}
	if at < 0 {
		at = c.item(p, l, i)
		if r.who > 0 {
			c.byOwner[r.who] = int32(at)
		}
	}
	it := &c.items[at]
	it.First.A, it.First.B = first(it.First.A, r.a.wide()), first(it.First.B, r.b.wide())
	it.Regions++
	it.Tally.add(r)
}

// item finds the item of region i, or makes it.
func (c *accountant) item(p *Pair, l *Ledger, i int) int {
	r := l.Region(i)
	owner := Owner{}
	if r.Owner != nil {
		owner = *r.Owner
	} else {
		owner.Subject = p.UnitName(l, &r)
	}
	key := itemKey{layer: l.Layer, subj: owner.Subject, a: owner.A, b: owner.B}
	if owner.Cause != nil {
		key.id = owner.Cause.ID
	}
	at, known := c.byKey[key]
	if !known {
		at = len(c.items)
		c.items = append(c.items, Item{Layer: l.Layer, Owner: owner})
		c.byKey[key] = at
	}
	return at
}

// finish sorts the items and hands them over.
func (c *accountant) finish(p *Pair, acc *Account, all bool) {
	limit := MaxItems
	if all {
		limit = MaxDetail
	}
	items := together(c.sorted(), limit)
	for i := range items {
		it := &items[i]
		it.Subject, it.Owner.A, it.Owner.B = c.clone(it.Subject), c.clone(it.Owner.A), c.clone(it.Owner.B)
		if it.Cause == nil || all && it.Class() == CodeChange {
			it.ContextA, it.ContextB = p.context(it)
		}
	}
	acc.Items = slices.Clone(items)
	clear(c.byKey)
	clear(c.items)
	c.items = c.items[:0]
}

// sorted brings the items into the order of the account. They are large: their numbers
// are sorted, and then each is moved once.
func (c *accountant) sorted() []Item {
	c.order = c.order[:0]
	for i := range c.items {
		c.order = append(c.order, int32(i))
	}
	slices.SortFunc(c.order, func(i, j int32) int {
		if n := compareItems(&c.items[i], &c.items[j]); n != 0 {
			return n
		}
		return cmp.Compare(i, j)
	})
	for i := range c.order {
		// Around the circle that ends where it began.
		first := c.items[i]
		at := int32(i)
		for c.order[at] != int32(i) {
			from := c.order[at]
			c.items[at], c.order[at] = c.items[from], at
			at = from
		}
		c.items[at], c.order[at] = first, at
	}
	return c.items
}

// compareItems orders items by their class, layer and cause, and those of one cause by
// their size; the same way whichever side is A.
func compareItems(x, y *Item) int {
	if n := cmp.Or(cmp.Compare(rank(y.Class()), rank(x.Class())), cmp.Compare(x.Layer, y.Layer), cmp.Compare(x.ID(), y.ID()), cmp.Compare(y.weight(), x.weight())); n != 0 {
		return n
	}
	return cmp.Or(cmp.Compare(x.Subject, y.Subject), byValues(x.Owner.A, x.Owner.B, y.Owner.A, y.Owner.B),
		cmp.Compare(x.First.A.Off+x.First.B.Off, y.First.A.Off+y.First.B.Off))
}

// byValues orders pairs of values the same way whichever side is A.
func byValues(xa, xb, ya, yb string) int {
	return cmp.Or(cmp.Compare(min(xa, xb), min(ya, yb)), cmp.Compare(max(xa, xb), max(ya, yb)))
}

// first is the one of two ranges that begins first and is not empty.
func first(x, y Range) Range {
	switch {
	case y.Len == 0 && x.Len == 0:
		return Range{}
	case x.Len == 0 || y.Len > 0 && y.Off < x.Off:
		return y
	}
	return x
}

// together joins the items of a cause above the limit; they follow each other.
func together(items []Item, limit int) []Item {
	out := items[:0]
	run := 0
	for _, it := range items {
		if n := len(out); n > 0 && out[n-1].ID() == it.ID() && out[n-1].Layer == it.Layer {
			run++
		} else {
			run = 0
		}
		switch {
		case run == limit:
			it.More = 1
			it.Subject, it.Owner.A, it.Owner.B, it.Notes = "", "", "", nil
		case run > limit:
			last := &out[len(out)-1]
			last.More++
			last.Regions += it.Regions
			last.ChangedA += it.ChangedA
			last.ChangedB += it.ChangedB
			last.Moved += it.Moved
			last.First.A, last.First.B = first(last.First.A, it.First.A), first(last.First.B, it.First.B)
			continue
		}
		out = append(out, it)
	}
	return out
}

// weight is the size of an item, the same whichever side is A.
func (i *Item) weight() int64 { return i.ChangedA + i.ChangedB + i.Moved }

// rank orders classes by how much they ask for attention.
func rank(c Class) int { return slices.Index(classes, c) }

var classes = []Class{Derived, Unverified, Root, CodeChange, Unexplained}

// hexContext shows the first bytes of a range.
func hexContext(b []byte) string {
	if len(b) > 16 {
		return fmt.Sprintf("% x …", b[:16])
	}
	return fmt.Sprintf("% x", b)
}

// account makes the ledgers of a pair, has them explained and checks them.
func (w *moduleWorker) account(ctx context.Context, m *Module, ma, mb *kmod.Module, ca, cb kbuild.Content) (*Account, error) {
	ls := w.ledgers
	if ma != nil && mb != nil && m.Verdict != PayloadIdentical {
		n := min(ma.Decoded+mb.Decoded, accountedRoom)
		if err := ls.room.Acquire(ctx, n); err != nil {
			return nil, err
		}
		defer ls.room.Release(n)
	}
	defer ls.free()
	p := &Pair{
		Name: m.Name, PayloadEqual: m.Verdict == PayloadIdentical,
		A: View{Module: ma, stored: ca, size: ca.Size()},
		B: View{Module: mb, stored: cb, size: cb.Size()},
	}
	acc := &Account{}
	var err error
	acc.Opaque, err = ls.make(p)
	switch {
	case errors.Is(err, errSize), errors.Is(err, codec.ErrFrame):
		acc.Fault = err.Error()
		return acc, nil
	case err != nil:
		return nil, fmt.Errorf("accounting for %s and %s: %w", m.A.Path, m.B.Path, err)
	}
	for i, f := range []*ModuleFile{m.A, m.B} {
		if f.Problem != "" && acc.Opaque == "" {
			acc.Opaque = [...]string{"A", "B"}[i] + ": " + f.Problem
		}
	}
	w.explain(p)
	if err := ls.verify(p); err != nil {
		var bug *LedgerError
		if !errors.As(err, &bug) {
			return nil, fmt.Errorf("checking what accounts for %s and %s: %w", m.A.Path, m.B.Path, err)
		}
		acc.Fault = err.Error()
		return acc, nil
	}
	if p.Unit != nil {
		p.Unit.byB = nil // of a large pair some megabytes
	}
	ls.sum(p, acc, w.detail)
	if w.blocks {
		l := p.Unit
		if l == nil {
			l = p.Stored
		}
		acc.Blocks = ls.acct.tallyBlocks(p, l)
	}
	return acc, nil
}

// verify replays all ledgers of a pair.
func (ls *ledgers) verify(p *Pair) error {
	for _, l := range []*Ledger{p.Stored, p.decoded, p.payload, p.Unit} {
		var err error
		switch {
		case l == nil:
			continue
		case l.Layer == LayerStored:
			err = ls.check.check(l, p.A.stored, p.B.stored)
		case p.PayloadEqual:
			err = ls.check.check(l, p.A.whole, p.B.whole)
		default:
			err = ls.check.check(l, memReader{p.A.memory}, memReader{p.B.memory})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// memReader is a window that holds the whole file.
type memReader struct{ window }

func (m memReader) ReadAt(p []byte, off int64) (int, error) { return copy(p, m.b[off:]), nil }

// sum makes the account of ledgers that were checked.
func (ls *ledgers) sum(p *Pair, acc *Account, all bool) {
	c := &ls.acct
	if c.byKey == nil {
		c.byKey = map[itemKey]int{}
	}
	if p.Stored != nil {
		c.add(p, p.Stored, acc)
	}
	for _, l := range []*Ledger{p.decoded, p.payload} {
		if l != nil {
			acc.Layers = append(acc.Layers, LayerTally{Layer: l.Layer, Tally: l.Tally()})
		}
	}
	if p.Unit != nil {
		c.add(p, p.Unit, acc)
	}
	if p.Stored == nil && p.Unit != nil { // the stored bytes are the decoded ones
		stored := acc.Layers[len(acc.Layers)-1]
		stored.Layer = LayerStored
		acc.Layers = slices.Insert(acc.Layers, 0, stored)
	}
	c.finish(p, acc, all)
}
