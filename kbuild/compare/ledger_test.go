// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/units"
)

// unitsOf cuts b at every line feed: lines are units named after their first
// byte, so that equal and changed ones are matched.
func unitsOf(b []byte) []units.Unit {
	var us []units.Unit
	at := int64(0)
	for line := range bytes.Lines(b) {
		n := int64(len(line))
		us = append(us, units.Unit{Off: at, Len: n, Kind: units.Object, Index: -1, Name: string(line[:1])})
		at += n
	}
	return us
}

// align makes the ledger of two texts.
func align(a, b []byte) *Ledger {
	var al aligner
	al.reset(window{0, a}, window{0, b})
	al.addBlock(Block{A: Range{0, int64(len(a))}, B: Range{0, int64(len(b))}, UnitsA: unitsOf(a), UnitsB: unitsOf(b)})
	al.block(0)
	return al.ledger(LayerUnit, int64(len(a)), int64(len(b)))
}

// randomText makes lines of few different names.
func randomText(r *rand.Rand) []byte {
	var b []byte
	for range r.IntN(12) {
		b = append(b, byte('a'+r.IntN(6)))
		for range r.IntN(40) {
			b = append(b, byte('0'+r.IntN(3)))
		}
		b = append(b, '\n')
	}
	return b
}

// edit makes a text that has some of b: insertions, deletions, changes, other
// orders.
func edit(r *rand.Rand, b []byte) []byte {
	lines := bytes.SplitAfter(bytes.Clone(b), []byte{'\n'})
	for range r.IntN(5) {
		if len(lines) == 0 {
			break
		}
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		switch r.IntN(5) {
		case 0:
			lines[i], lines[j] = lines[j], lines[i]
		case 1:
			lines = append(lines[:i], lines[i+1:]...)
		case 2:
			lines = append(lines, randomText(r))
		case 3:
			if l := lines[i]; len(l) > 2 {
				lines[i] = bytes.Clone(l)
				lines[i][1+r.IntN(len(l)-2)] ^= 1
			}
		case 4:
			if l := lines[i]; len(l) > 2 {
				lines[i] = append(append(bytes.Clone(l[:2]), '7'), l[2:]...)
			}
		}
	}
	return bytes.Join(lines, nil)
}

// TestLedgerProperties: for thousands of pairs the ledger passes its check, its
// mirror is the ledger of the swapped pair, and it differs exactly where the
// sides do.
func TestLedgerProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 10000 {
		a := randomText(r)
		b := edit(r, a)
		switch r.IntN(20) {
		case 0:
			a = nil
		case 1:
			b = nil
		case 2:
			b = a
		case 3:
			b = randomText(r)
		}
		l := align(a, b)
		if err := l.Check(bytes.NewReader(a), bytes.NewReader(b)); err != nil {
			t.Fatalf("%q %q: %v", a, b, err)
		}
		if bytes.Equal(a, b) != l.Tally().IsZero() {
			t.Fatalf("%q %q: tally %v", a, b, l.Tally())
		}
		m := l.Mirror()
		if err := m.Check(bytes.NewReader(b), bytes.NewReader(a)); err != nil {
			t.Fatalf("%q %q, mirrored: %v", a, b, err)
		}
		if got, want := canonical(align(b, a)), canonical(m); !slices.Equal(got, want) {
			t.Fatalf("%q %q: swapped\n%v\nmirrored\n%v", a, b, got, want)
		}
	}
}

// canonical leaves out what means nothing: offsets of empty ranges, and the unit
// that joined regions began with.
func canonical(l *Ledger) []Region {
	out := make([]Region, l.Len())
	for i := range out {
		r := l.Region(i)
		if r.A.Len == 0 {
			r.A.Off = 0
		}
		if r.B.Len == 0 {
			r.B.Off = 0
		}
		if r.Relation == Same {
			r.Unit = Unit{}
		}
		out[i] = r
	}
	return out
}

// draft is a ledger in the making.
type draft struct {
	SizeA, SizeB int64
	Regions      []Region
}

func (d *draft) ledger() *Ledger {
	l := &Ledger{Layer: LayerUnit, SizeA: d.SizeA, SizeB: d.SizeB}
	for _, r := range d.Regions {
		x := region{a: narrow(r.A), b: narrow(r.B), relation: r.Relation, diff: uint32(r.diff)}
		if r.Owner != nil {
			x.who = l.number(r.Owner)
		}
		l.regions = append(l.regions, x)
	}
	return l
}

// TestLedgerCheck: each way in which a ledger can be wrong is found.
func TestLedgerCheck(t *testing.T) {
	a, b := []byte("abcdefgh12345678XY"), []byte("12345678abcdefghXZ!")
	good := func() *draft {
		return &draft{SizeA: 18, SizeB: 19, Regions: []Region{
			{A: Range{0, 8}, B: Range{8, 8}, Relation: Same},
			{A: Range{8, 8}, B: Range{0, 8}, Relation: Moved},
			{A: Range{16, 1}, B: Range{16, 1}, Relation: Same},
			{A: Range{17, 1}, B: Range{17, 1}, Relation: Changed, diff: 1},
			{A: Range{}, B: Range{18, 1}, Relation: Changed},
		}}
	}
	if err := good().ledger().Check(bytes.NewReader(a), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if got, want := good().ledger().Tally(), (Tally{1, 2, 8}); got != want {
		t.Errorf("tally %v, want %v", got, want)
	}
	for i, spoil := range []func(l *draft){
		func(l *draft) { l.SizeA++ },
		func(l *draft) { l.SizeB-- },
		func(l *draft) { l.Regions = l.Regions[:4] },
		func(l *draft) { l.Regions = l.Regions[1:] },
		func(l *draft) { l.Regions[1].Relation = Same },
		func(l *draft) { l.Regions[3].Relation = Same },
		func(l *draft) { l.Regions[3].diff = 2 },
		func(l *draft) { l.Regions[0].Relation, l.Regions[0].diff = Changed, 8 },
		func(l *draft) { l.Regions[0].B.Off = 7 },
		func(l *draft) { l.Regions[0].A.Len = 9 },
		func(l *draft) { l.Regions[4].B.Off = 17 },
		func(l *draft) { l.Regions[2].Owner = &Owner{} },
		func(l *draft) { l.Regions[2].Relation = 3 },
		func(l *draft) { l.Regions = append(l.Regions, Region{}) },
		func(l *draft) { l.Regions[0].A.Len, l.Regions[0].B.Len = -8, -8 },
		func(l *draft) { l.Regions[3].A.Len, l.Regions[3].A.Off, l.Regions[2].A.Len = 2, 16, 0 },
	} {
		l := good()
		spoil(l)
		err := l.ledger().Check(bytes.NewReader(a), bytes.NewReader(b))
		if bug := (*LedgerError)(nil); !errors.As(err, &bug) {
			t.Errorf("spoilt ledger %d: %v", i, err)
		}
	}
	equal := &draft{SizeA: 2, SizeB: 2, Regions: []Region{{A: Range{0, 1}, B: Range{1, 1}, Relation: Moved}, {A: Range{1, 1}, B: Range{0, 1}, Relation: Same}}}
	if err := equal.ledger().Check(bytes.NewReader([]byte("zz")), bytes.NewReader([]byte("zz"))); err == nil {
		t.Error("equal sides, but something has moved: no error")
	}
}

// ExampleLedger shows a line that was inserted, one that moved, and one that
// changed.
func ExampleLedger() {
	a := []byte("one\ntwo\nmuch longer\n")
	b := []byte("much longer\ntwice\nnew\none\n")
	l := align(a, b)
	for i := range l.Len() {
		r := l.Region(i)
		fmt.Println(r.Relation, r.A, r.B)
	}
	// Output:
	// moved {0 4} {22 4}
	// moved {4 2} {12 2}
	// changed {6 1} {14 3}
	// moved {7 1} {17 1}
	// same {8 12} {0 12}
	// changed {0 0} {18 4}
}
