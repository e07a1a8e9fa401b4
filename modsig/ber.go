// SPDX-License-Identifier: Apache-2.0

package modsig

// This file decodes messages and certificates as the kernel does
// (lib/asn1_decoder.c), not as DER is defined, because what matters is which
// bytes a kernel takes. The kernel's decoder
//
//   - takes indefinite lengths, and lengths of one or two bytes in non-minimal
//     form, but no longer ones;
//   - takes no tag number above 30;
//   - ignores the constructed bit of a tag where the grammar has a constructed
//     type, and insists on a primitive one elsewhere;
//   - ignores what follows the outermost value;
//   - keeps its match flags when an optional value is absent because its
//     parent has ended, so that a choice may be missing at such a place, and
//     the action behind it sees the value before it once more.
//
// A grammar is a list of steps; the registers have the kernel's meaning.

// maxDecode is the length in bytes above which the kernel's decoder answers
// EMSGSIZE.
const maxDecode = 65535

const (
	constructed = 0x20
	longTag     = 0x1f
)

type opcode uint8

const (
	opLeaf     opcode = iota // a value of one tag, its content not looked into
	opAny                    // a value of any tag, its content not looked into
	opSequence               // a value with the body's values in it, once
	opRepeat                 // a value with the body's values in it, once or more
	opAct                    // calls act with the registers as they are
	opMaybe                  // the same if the out-of-line value before it was there
	opNeed                   // fails unless one of the choices before it was there
)

// step is one instruction of a grammar for a parser of type T.
type step[T any] struct {
	op   opcode
	tag  byte
	skip bool // the value may be absent
	cond bool // the value is skipped if one before it was there
	jump bool // the kernel's grammar has the body out of line, which sets the flags
	body []step[T]
	act  func(T, value) error
}

// value is what an action sees: the content of a value and where it lies.
type value struct {
	tag    byte
	header int // bytes before the content
	offset int // of the content, from the start of what is decoded
	b      []byte
}

// element is the value with its header. Actions get it from the decoder's
// input, of which b is a part.
func (v value) element(in []byte) []byte {
	return in[v.offset-v.header : v.offset+len(v.b)]
}

type decoder[T any] struct {
	ctx  T
	in   []byte
	base int // added to offsets in errors

	pos, end      int
	matched, last bool
	indefinite    bool
	tag           byte
	header        int
	start, length int
}

// decode runs the grammar over in and returns how many bytes it took. Errors
// are those of the actions, or a *Refusal.
func decode[T any](grammar []step[T], ctx T, in []byte, base int) (int, error) {
	if len(in) > maxDecode {
		return 0, refuse(errMsgSize, base, "%d bytes, the kernel decodes at most %d", len(in), maxDecode)
	}
	d := &decoder[T]{ctx: ctx, in: in, end: len(in), base: base}
	err := d.run(grammar)
	return d.pos, err
}

func (d *decoder[T]) fail(reason string) error {
	return refuse(EBADMSG, d.base+d.pos, "%s", reason)
}

func (d *decoder[T]) run(steps []step[T]) error {
	for i := range steps {
		s := &steps[i]
		var err error
		switch s.op {
		case opAct:
			err = s.act(d.ctx, d.value(d.tag))
		case opMaybe:
			if d.last {
				err = s.act(d.ctx, d.value(d.tag))
			}
		case opNeed:
			if !d.matched {
				err = d.fail("unexpected tag")
			}
		default:
			var ok bool
			if ok, err = d.match(s); !ok || err != nil {
				break
			}
			if s.op == opLeaf || s.op == opAny {
				err = d.leaf(s)
			} else {
				err = d.compound(s)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder[T]) value(tag byte) value {
	end := min(d.start+d.length, len(d.in))
	return value{tag: tag, header: d.header, offset: d.start, b: d.in[d.start:end:end]}
}

// match reads a header. It reports false if the value is absent and may be.
func (d *decoder[T]) match(s *step[T]) (bool, error) {
	if s.cond && d.matched || s.skip && d.pos == d.end {
		d.last = false
		return false, nil
	}
	d.matched, d.last, d.indefinite = false, false, false
	if d.end-d.pos < 2 {
		return false, d.fail("data ends within a header")
	}
	tag := d.in[d.pos]
	d.tag, d.header = tag, 2
	if tag&longTag == longTag {
		return false, d.fail("tag number above 30")
	}
	if s.op != opAny && (s.tag^tag)&^(s.tag&constructed) != 0 {
		if s.skip {
			return false, nil
		}
		return false, d.fail("unexpected tag")
	}
	d.pos++
	d.matched = true
	n := int(d.in[d.pos])
	d.pos++
	switch {
	case n == 0x80:
		if tag&constructed == 0 {
			return false, d.fail("indefinite length of a primitive value")
		}
		if d.end-d.pos < 2 {
			return false, d.fail("data ends within a value of indefinite length")
		}
		d.indefinite = true
	case n > 0x80:
		k := n - 0x80
		if k > 2 {
			return false, d.fail("length of more than two bytes")
		}
		if k > d.end-d.pos {
			return false, d.fail("data ends within a length")
		}
		d.header += k
		for n = 0; k > 0; k-- {
			n = n<<8 | int(d.in[d.pos])
			d.pos++
		}
		fallthrough
	default:
		if n > d.end-d.pos {
			return false, d.fail("value longer than what holds it")
		}
	}
	d.start, d.length = d.pos, n
	return true, nil
}

func (d *decoder[T]) leaf(s *step[T]) error {
	if d.indefinite {
		n, reason := indefiniteLength(d.in[d.pos:d.end])
		if reason != "" {
			d.pos += n
			return d.fail(reason)
		}
		d.length = n
	}
	if s.act != nil {
		if err := s.act(d.ctx, d.value(d.tag)); err != nil {
			return err
		}
	}
	d.pos += d.length
	return nil
}

func (d *decoder[T]) compound(s *step[T]) error {
	start, header, outer, indefinite := d.pos, d.header, d.end, d.indefinite
	if !indefinite {
		d.end = d.pos + d.length
	}
	for more := true; more; {
		if err := d.run(s.body); err != nil {
			return err
		}
		switch {
		case indefinite && d.end-d.pos < 2:
			return d.fail("data ends within a value of indefinite length")
		case indefinite && d.in[d.pos] != 0:
			if s.op != opRepeat {
				return d.fail("no end of a value of indefinite length")
			}
		case indefinite && d.in[d.pos+1] != 0:
			return d.fail("malformed end of a value of indefinite length")
		case indefinite:
			d.length = d.pos - start
			d.pos += 2
			more = false
		case d.pos < d.end && s.op == opRepeat:
		case d.pos != d.end:
			return d.fail("value goes on after its last part")
		default:
			d.length = d.end - start
			more = false
		}
	}
	d.start, d.header, d.end = start, header, outer
	if s.act != nil {
		if err := s.act(d.ctx, d.value(0)); err != nil {
			return err
		}
	}
	if s.jump {
		d.matched, d.last = true, true
	}
	return nil
}

// indefiniteLength is the length of a content of indefinite length that b
// starts with, its two end bytes included. With a reason it is where b is
// wrong.
func indefiniteLength(b []byte) (n int, reason string) {
	const short = "data ends within a value of indefinite length"
	for depth := 1; ; {
		if len(b)-n < 2 {
			return n, short
		}
		tag := b[n]
		n++
		if tag == 0 {
			if b[n] != 0 {
				return n, "malformed end of a value of indefinite length"
			}
			n++
			if depth--; depth == 0 {
				return n, ""
			}
			continue
		}
		if tag&longTag == longTag {
			for more := true; more; n++ {
				if len(b)-n < 2 {
					return n, short
				}
				more = b[n]&0x80 != 0
			}
		}
		l := uint64(b[n])
		n++
		if l == 0x80 {
			if tag&constructed == 0 {
				return n, "indefinite length of a primitive value"
			}
			depth++
			continue
		}
		if l > 0x80 {
			k := int(l - 0x80)
			if k > 7 {
				return n, "length of more than seven bytes"
			}
			if k > len(b)-n {
				return n, short
			}
			for l = 0; k > 0; k-- {
				l = l<<8 | uint64(b[n])
				n++
			}
		}
		if l > uint64(len(b)-n) {
			return n, short
		}
		n += int(l)
	}
}
