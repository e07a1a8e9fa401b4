// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/units"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig/trailer"
)

// ledgers makes the ledgers of pairs and keeps its memory from pair to pair.
type ledgers struct {
	room    *semaphore.Weighted // for decoded bytes, see accountedRoom
	layers  [LayerUnit + 1]aligner
	scratch [2][]byte
	tails   [2][]byte
	files   [2]units.File
	acct    accountant
	check   checker
}

func newLedgers(room *semaphore.Weighted) *ledgers { return &ledgers{room: room} }

// maxAccounted is the size in bytes above which a payload that differs is not
// accounted for: far above that of any module without debug information.
const maxAccounted = 256 << 20

// keepScratch is the size in bytes above which memory is given back after use.
const keepScratch = 1 << 20

// keepRegions is the number of regions, or units, above which theirs is.
const keepRegions = 1 << 15

// errSize says that a file is too large to be accounted for.
var errSize = errors.New("too large to be accounted for: more than 256 MiB that differ, or more than 4 GiB")

// make fills in the ledgers of p. why says why the payload is but bytes.
func (ls *ledgers) make(p *Pair) (why string, err error) {
	if p.A.size > maxSize || p.B.size > maxSize {
		return "", errSize
	}
	if p.A.Module == nil || p.B.Module == nil {
		return "", ls.unread(p)
	}
	if err := ls.load(p); err != nil {
		return "", err
	}
	if err := ls.stored(p); err != nil {
		return "", err
	}
	why = ls.split(p)
	p.decoded = ls.coarse(p)
	p.Unit = ls.unit(p)
	p.payload = ls.blocks(p)
	ls.aligned()
	return why, nil
}

// load brings what differs into memory: the trailers of equal payloads, else
// everything.
func (ls *ledgers) load(p *Pair) error {
	for i, v := range []*View{&p.A, &p.B} {
		m := v.Module
		v.whole = m.Whole()
		var err error
		if v.Layers, err = m.Layers(); err != nil {
			return err
		}
		v.Inner = m.Decoded
		if m.Decoded > maxSize || m.Decoded > maxAccounted && !p.PayloadEqual {
			return errSize
		}
		if p.PayloadEqual {
			v.Layers = v.Layers[:min(1, len(v.Layers))]
			v.Inner = m.Trailer.Payload
			ls.tails[i] = slices.Grow(ls.tails[i][:0], int(m.Decoded-v.Inner))[:m.Decoded-v.Inner]
			v.memory = window{v.Inner, ls.tails[i]}
			if n, err := v.whole.ReadAt(ls.tails[i], v.Inner); n < len(ls.tails[i]) {
				return readError(v.Inner, err)
			}
			continue
		}
		for _, l := range v.Layers {
			if l.State == trailer.Valid {
				v.Inner = l.Payload
			}
		}
		all, grown, err := m.Load(ls.scratch[i])
		if err != nil {
			return err
		}
		if grown != nil {
			ls.scratch[i] = grown
		}
		v.memory, v.whole = window{0, all}, m.Whole()
	}
	return nil
}

// aligned gives back what took part in aligning a large pair only, before it is
// explained.
func (ls *ledgers) aligned() {
	for i := range ls.layers {
		if al := &ls.layers[i]; cap(al.regions) > keepRegions {
			// The regions and units are those of the ledgers now.
			*al = aligner{}
		}
	}
}

// free gives back memory that few pairs need.
func (ls *ledgers) free() {
	for i := range ls.scratch {
		if cap(ls.scratch[i]) > keepScratch {
			ls.scratch[i] = nil
		}
	}
	for i := range ls.layers {
		if al := &ls.layers[i]; cap(al.regions)+cap(al.keys[0])+cap(al.keys[1]) > keepRegions || cap(al.arena[0])+cap(al.arena[1])+cap(al.entries[0])+cap(al.entries[1]) > keepRegions {
			*al = aligner{}
		}
	}
	for i := range ls.files {
		if len(ls.files[i].Bytes) > keepScratch {
			ls.files[i] = units.File{}
		}
	}
}

// unread is for a side that is no module: the stored files are bytes.
func (ls *ledgers) unread(p *Pair) error {
	al := &ls.layers[LayerStored]
	for i, v := range []*View{&p.A, &p.B} {
		if v.size > maxAccounted {
			return errSize
		}
		ls.scratch[i] = slices.Grow(ls.scratch[i][:0], int(v.size))[:v.size]
		if n, err := v.stored.ReadAt(ls.scratch[i], 0); n < len(ls.scratch[i]) {
			return readError(int64(n), err)
		}
		v.memory, v.whole = window{0, ls.scratch[i]}, v.stored
	}
	al.reset(p.A.memory, p.B.memory)
	al.addBlock(Block{Kind: units.Bytes, Name: "file", A: Range{0, p.A.size}, B: Range{0, p.B.size}, SectionA: -1, SectionB: -1})
	al.opaque(0)
	p.Stored = al.ledger(LayerStored, p.A.size, p.B.size)
	p.blocks[LayerStored] = al.blocks
	return nil
}

// opaque makes the regions of a block that is but bytes.
func (al *aligner) opaque(i int) {
	bl := &al.blocks[i]
	bl.UnitsA = append(bl.UnitsA[:0], units.Unit{Off: bl.A.Off, Len: bl.A.Len, Index: -1})
	bl.UnitsB = append(bl.UnitsB[:0], units.Unit{Off: bl.B.Off, Len: bl.B.Len, Index: -1})
	al.alignUnits(i)
}

// stored makes the ledger of compressed files. Of a file that is not compressed,
// all bytes are one stream: another kind of compression keeps nothing.
func (ls *ledgers) stored(p *Pair) error {
	if p.A.Module.Compression == kmod.None && p.B.Module.Compression == kmod.None {
		return nil
	}
	al := &ls.layers[LayerStored]
	al.reset(window{}, window{})
	var parts [2][]codec.Part
	for i, v := range []*View{&p.A, &p.B} {
		var err error
		if parts[i], err = codec.Frame(v.stored, v.size, v.Module.Compression); err != nil {
			return err
		}
	}
	sameKind := p.A.Module.Compression == p.B.Module.Compression
	al.addBlock(Block{Kind: units.Frame, Name: p.A.Module.Compression.String(), A: Range{0, p.A.size}, B: Range{0, p.B.size}, SectionA: -1, SectionB: -1})
	if !sameKind {
		al.blocks[0].Name = "file"
	}
	bl := &al.blocks[0]
	bl.UnitsA, bl.UnitsB = frameUnits(parts[0], p.A.Module.Compression), frameUnits(parts[1], p.B.Module.Compression)
	if err := al.streams(p, 0); err != nil {
		return err
	}
	p.Stored = al.ledger(LayerStored, p.A.size, p.B.size)
	p.blocks[LayerStored] = al.blocks
	return nil
}

// frameUnits: the framing of another format has other names.
func frameUnits(parts []codec.Part, f kmod.Compression) []units.Unit {
	us := make([]units.Unit, len(parts))
	for i, x := range parts {
		us[i] = units.Unit{Off: x.Off, Len: x.Len, Kind: units.Frame, Index: -1, Key: uint64(f), Name: x.Name}
		if x.Stream {
			us[i].Kind, us[i].Key = units.Stream, 0
		}
	}
	return us
}

// streams aligns the parts of two compressed files, of which only the framing is
// read into memory.
func (al *aligner) streams(p *Pair, i int) error {
	bl := &al.blocks[i]
	al.matchUnits(bl.UnitsA, bl.UnitsB)
	var c checker
	for x := range bl.UnitsA {
		ua := &bl.UnitsA[x]
		a, y := Range{ua.Off, ua.Len}, al.match[x]
		if y < 0 {
			al.oneSided(Unit{int32(i), int32(x), whole}, ua.Kind, a, Range{})
			continue
		}
		ub := &bl.UnitsB[y]
		u := Unit{int32(i), int32(x), y}
		if ua.Kind == units.Frame {
			al.a = window{ua.Off, p.A.StoredBytes(a)}
			al.b = window{ub.Off, p.B.StoredBytes(Range{ub.Off, ub.Len})}
			if len(al.a.b) < int(ua.Len) || len(al.b.b) < int(ub.Len) {
				return readError(ua.Off, io.ErrUnexpectedEOF)
			}
			al.unitPair(u, ua, ub, 0)
			continue
		}
		b := Range{ub.Off, ub.Len}
		if a.Len == b.Len {
			n, err := c.differ(p.A.stored, p.B.stored, a, b, true)
			if err != nil {
				return err
			}
			if n == 0 {
				al.equal(Region{A: a, B: b, Relation: Same, Unit: u}, ua.Kind, mix(uint64(x+int(y))))
				continue
			}
		}
		al.region(Region{A: a, B: b, Relation: Changed, Unit: u}, units.Stream, -1)
	}
	for y := range bl.UnitsB {
		if al.matchB[y] < 0 {
			al.oneSided(Unit{int32(i), whole, int32(y)}, bl.UnitsB[y].Kind, Range{}, Range{bl.UnitsB[y].Off, bl.UnitsB[y].Len})
		}
	}
	return nil
}

// split finds the blocks of both payloads, unless these are equal, and says why
// they are but bytes if they are.
func (ls *ledgers) split(p *Pair) string {
	if p.PayloadEqual {
		return ""
	}
	for i, v := range []*View{&p.A, &p.B} {
		if err := ls.files[i].Split(v.memory.Slice(0, v.Inner)); err != nil {
			p.A.ELF, p.B.ELF = nil, nil
			return [...]string{"A", "B"}[i] + ": " + err.Error()
		}
		v.ELF = &ls.files[i]
	}
	if n := len(p.A.ELF.Blocks) + len(p.B.ELF.Blocks); n > maxBlocks {
		p.A.ELF, p.B.ELF = nil, nil
		return fmt.Sprintf("A and B: %d sections, headers and gaps, at most %d are looked into", n, maxBlocks)
	}
	return ""
}

// coarse makes the ledger of payload and trailers.
func (ls *ledgers) coarse(p *Pair) *Ledger {
	al := &ls.layers[LayerDecoded]
	al.reset(p.A.memory, p.B.memory)
	al.addBlock(Block{Kind: units.Bytes, Name: "payload", A: Range{0, p.A.Inner}, B: Range{0, p.B.Inner}, SectionA: -1, SectionB: -1})
	al.wholeBlock(0, p.PayloadEqual)
	ls.trailers(al, p, func(i int) { al.wholeBlock(i, false) })
	p.blocks[LayerDecoded] = al.blocks
	return al.ledger(LayerDecoded, p.A.Module.Decoded, p.B.Module.Decoded)
}

// wholeBlock makes the regions of a block that is not looked into.
func (al *aligner) wholeBlock(i int, equal bool) {
	bl := &al.blocks[i]
	switch {
	case bl.A.Len == 0 || bl.B.Len == 0:
		al.oneSided(Unit{int32(i), whole, whole}, units.Bytes, bl.A, bl.B)
	case equal || bl.A.Len == bl.B.Len && bytes.Equal(al.a.Slice(bl.A.Off, bl.A.Len), al.b.Slice(bl.B.Off, bl.B.Len)):
		al.equalBlock(i)
	default:
		al.opaque(i)
	}
}

// trailers adds the blocks of trailers, counted from the outside, and has each
// aligned.
func (ls *ledgers) trailers(al *aligner, p *Pair, align func(i int)) {
	for i := range max(len(p.A.Layers), len(p.B.Layers)) {
		bl := Block{Kind: units.Trailer, Name: "trailer", Ordinal: i, SectionA: -1, SectionB: -1}
		bl.A, bl.UnitsA = trailerUnits(&p.A, i)
		bl.B, bl.UnitsB = trailerUnits(&p.B, i)
		if bl.A.Len+bl.B.Len == 0 {
			continue
		}
		al.addBlock(bl)
		align(len(al.blocks) - 1)
	}
}

// trailerUnits are the parts of one trailer of a side.
func trailerUnits(v *View, i int) (Range, []units.Unit) {
	if i >= len(v.Layers) || v.Layers[i].State != trailer.Valid {
		return Range{}, nil // what is no trailer is a part of the payload
	}
	l := &v.Layers[i]
	r := Range{l.Payload, l.Len()}
	at := r.Off
	var us []units.Unit
	part := func(name string, n int64) {
		if n > 0 {
			us = append(us, units.Unit{Off: at, Len: n, Kind: units.Part, Index: -1, Key: uint64(l.Block.Type), Name: name})
			at += n
		}
	}
	part("signer", int64(l.Block.SignerLen))
	part("key id", int64(l.Block.KeyIDLen))
	part("signature", r.End()-trailer.BlockSize-int64(len(trailer.Marker))-at)
	part("block", trailer.BlockSize)
	part("marker", int64(len(trailer.Marker)))
	return r, us
}
