// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

// place is a region that asks for an owner, with the unit it belongs to.
type place struct {
	compare.Region
	block *compare.Block
	// a and b are the whole units; of a side that lacks it, Len is 0.
	a, b units.Unit

	ledger *compare.Ledger
	number int // of the region
}

// both: the unit is on both sides.
func (x *place) both() bool { return x.a.Len > 0 && x.b.Len > 0 }

// unit is the unit on the side that has it, A before B.
func (x *place) unit() *units.Unit {
	if x.a.Len > 0 {
		return &x.a
	}
	return &x.b
}

// openRegions are the regions of a ledger that differ and have no owner, in few bytes:
// each family goes through them.
type openRegions struct {
	list []openRegion
	// Of each block: what it is, and the kinds of its regions that were on the list.
	blocks []*compare.Block
	kinds  []uint64
	wanted []bool // by the caller of eachOf
}

type openRegion struct {
	number int32
	block  uint16
	kind   units.Kind
}

func (p *pair) openIn(l *compare.Ledger) *openRegions {
	o := &p.open[0]
	if l == p.Unit {
		o = &p.open[1]
	}
	if o.list != nil {
		return o
	}
	n := 0
	for i := range l.Len() {
		if _, _, is := l.Open(i); is {
			n++
		}
	}
	o.list = make([]openRegion, 0, n)
	for i := range l.Len() {
		block, kind, is := l.Open(i)
		if !is {
			continue
		}
		o.list = append(o.list, openRegion{int32(i), uint16(block), kind})
		for int(block) >= len(o.kinds) {
			o.blocks = append(o.blocks, p.Block(l, &compare.Region{Unit: compare.Unit{Block: int32(len(o.kinds))}}))
			o.kinds = append(o.kinds, 0)
		}
		o.kinds[block] |= 1 << kind
	}
	o.wanted = make([]bool, len(o.kinds))
	return o
}

// want says of which blocks there can be regions of some kinds, and whether there are any.
func (o *openRegions) want(kinds uint64, in func(bl *compare.Block) bool) bool {
	some := false
	for n, has := range o.kinds {
		o.wanted[n] = has&kinds != 0 && (in == nil || in(o.blocks[n]))
		some = some || o.wanted[n]
	}
	return some
}

// each calls f for every region of a ledger that differs and has no owner: all, or
// those whose unit is of one of the kinds. The place is valid during the call only,
// and calls do not nest.
func (p *pair) each(l *compare.Ledger, f func(x *place), kinds ...units.Kind) {
	p.eachOf(l, nil, f, kinds...)
}

// eachOf is each for the regions of some blocks; of all blocks if in is nil.
func (p *pair) eachOf(l *compare.Ledger, in func(bl *compare.Block) bool, f func(x *place), kinds ...units.Kind) {
	if l == nil {
		return
	}
	want := ^uint64(0)
	if len(kinds) > 0 {
		want = 0
		for _, k := range kinds {
			want |= 1 << k
		}
	}
	o := p.openIn(l)
	if !o.want(want, in) {
		return
	}
	left := 0 // what the next family is asked about
	x := &p.place
	for n, r := range o.list {
		is := true
		if o.wanted[r.block] && want>>r.kind&1 != 0 {
			if _, _, is = l.Open(int(r.number)); is {
				x.Region = l.Region(int(r.number))
				x.block, x.ledger, x.number = o.blocks[r.block], l, int(r.number)
				x.a, x.b = p.UnitA(l, &x.Region), p.UnitB(l, &x.Region)
				f(x)
				_, _, is = l.Open(int(r.number))
			}
		}
		if is {
			if left < n {
				o.list[left] = r
			}
			left++
		}
	}
	o.list = o.list[:left]
}
