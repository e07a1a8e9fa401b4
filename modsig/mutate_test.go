// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"math/rand/v2"
)

// node is a value of a message, for mutations that keep most of its form.
type node struct {
	tag  byte
	leaf []byte  // content, if there are no children
	kids []*node // content as values
	form uint8   // 0 shortest length, 1 one byte more, 2 indefinite, 3 too long by one
}

// parseNodes reads a run of values, nil if b is none.
func parseNodes(b []byte) []*node {
	var list []*node
	for len(b) > 0 {
		if len(b) < 2 || b[0]&0x1f == 0x1f {
			return nil
		}
		tag, n, h := b[0], int(b[1]), 2
		if n > 0x80 && n <= 0x82 && len(b) >= 2+n-0x80 {
			k := n - 0x80
			n = 0
			for _, c := range b[2 : 2+k] {
				n = n<<8 | int(c)
			}
			h += k
		} else if n >= 0x80 {
			return nil
		}
		if n > len(b)-h {
			return nil
		}
		content := b[h : h+n]
		b = b[h+n:]
		x := &node{tag: tag, leaf: content}
		if tag&0x20 != 0 {
			x.kids = parseNodes(content)
		}
		list = append(list, x)
	}
	return list
}

func (x *node) append(b []byte) []byte {
	content := x.leaf
	if x.kids != nil {
		content = nil
		for _, k := range x.kids {
			content = k.append(content)
		}
	}
	b = append(b, x.tag)
	n := len(content)
	switch x.form {
	case 2:
		b = append(b, 0x80)
		b = append(b, content...)
		return append(b, 0, 0)
	case 3:
		n++
	}
	long := x.form == 1
	switch {
	case n < 0x80 && !long:
		b = append(b, byte(n))
	case n < 0x100 && !(long && n >= 0x80):
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, content...)
}

func (x *node) clone() *node {
	y := *x
	y.kids = nil
	for _, k := range x.kids {
		y.kids = append(y.kids, k.clone())
	}
	return &y
}

// all lists x and what is in it.
func (x *node) all(list []*node) []*node {
	list = append(list, x)
	for _, k := range x.kids {
		list = k.all(list)
	}
	return list
}

// mutate changes a message at one to three places: as bytes, or as values.
func mutate(r *rand.Rand, seeds [][]byte) []byte {
	der := bytes.Clone(seeds[r.IntN(len(seeds))])
	roots := parseNodes(der)
	if r.IntN(4) == 0 || len(roots) != 1 {
		return mutateBytes(r, der)
	}
	root := roots[0].clone()
	for range 1 + r.IntN(3) {
		list := root.all(nil)
		mutateNode(r, list[r.IntN(len(list))], seeds)
	}
	return root.append(nil)
}

func mutateBytes(r *rand.Rand, b []byte) []byte {
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		switch r.IntN(6) {
		case 0, 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b[at] = byte(r.UintN(256))
		case 3:
			b = append(b[:at], b[at+1:]...)
		case 4:
			b = append(b[:at], append([]byte{byte(r.UintN(256))}, b[at:]...)...)
		case 5:
			b = b[:at]
		}
	}
	return b
}

func mutateNode(r *rand.Rand, x *node, seeds [][]byte) {
	switch op := r.IntN(10); {
	case op == 0:
		x.tag = []byte{0x30, 0x31, 0xa0, 0xa1, 0xa2, 0xa3, 0x80, 0x02, 0x04, 0x06, 0x05, 0x17, 0x18, 0x00, 0x1f}[r.IntN(15)]
	case op == 1:
		x.tag ^= 1 << r.IntN(8)
	case op == 2:
		x.form = uint8(r.IntN(4))
	case op <= 5 && len(x.kids) > 0: // without one, with one twice, with two swapped
		i, j := r.IntN(len(x.kids)), r.IntN(len(x.kids))
		switch op {
		case 3:
			x.kids = append(x.kids[:i:i], x.kids[i+1:]...)
			if len(x.kids) == 0 {
				x.kids, x.leaf = nil, nil
			}
		case 4:
			x.kids = append(x.kids[:i+1:i+1], append([]*node{x.kids[i].clone()}, x.kids[i+1:]...)...)
		case 5:
			x.kids[i], x.kids[j] = x.kids[j], x.kids[i]
		}
	case op <= 7: // with a value of another message in it or in its place
		other := parseNodes(seeds[r.IntN(len(seeds))])
		if len(other) != 1 {
			return
		}
		list := other[0].all(nil)
		y := list[r.IntN(len(list))].clone()
		if op == 6 && x.kids != nil {
			x.kids = append(x.kids, y)
		} else {
			*x = *y
		}
	case x.kids == nil && len(x.leaf) > 0:
		x.leaf = mutateBytes(r, bytes.Clone(x.leaf))
	case op == 8:
		x.kids, x.leaf = nil, nil
	}
}
