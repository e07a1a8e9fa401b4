// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	maxSystemMap = 256 << 20 // bytes; that of a distribution's kernel has 10 MB
	maxMapLine   = 64 << 10
)

// parseSystemMap reads the output of nm(1), lines of an address in hex digits,
// a letter for the kind and a name, and returns the addresses of the wanted
// names. A symbol that is seen everywhere, with an upper-case letter, goes
// before those of one file. Two of equal rank with different addresses are
// refused.
func parseSystemMap(r io.Reader, wanted []string) (map[string]uint64, error) {
	type entry struct {
		addr uint64
		rank int
	}
	found := map[string]entry{}
	for _, name := range wanted {
		found[name] = entry{}
	}
	limited := &io.LimitedReader{R: r, N: maxSystemMap + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxMapLine)
	n := 0
	for lines.Scan() {
		n++
		addr, rest, ok := bytes.Cut(lines.Bytes(), []byte(" "))
		kind, name, ok2 := bytes.Cut(rest, []byte(" "))
		if !ok || !ok2 || len(kind) != 1 || len(addr) > 16 {
			return nil, fmt.Errorf("system map, line %d: not an address, a letter and a name", n)
		}
		old, ok := found[string(name)]
		if !ok {
			continue
		}
		value, err := strconv.ParseUint(string(addr), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("system map, line %d: address %q", n, addr)
		}
		rank := 1
		if kind[0] >= 'A' && kind[0] <= 'Z' {
			rank = 2
		}
		switch {
		case rank > old.rank:
			found[string(name)] = entry{value, rank}
		case rank == old.rank && value != old.addr:
			return nil, fmt.Errorf("system map, line %d: a second address of %s", n, name)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("system map, line %d: longer than %d bytes", n+1, maxMapLine)
	case err != nil:
		return nil, fmt.Errorf("reading system map: %w", err)
	case limited.N <= 0:
		return nil, fmt.Errorf("system map: more than %d bytes", maxSystemMap)
	}
	syms := map[string]uint64{}
	for name, e := range found {
		if e.rank > 0 {
			syms[name] = e.addr
		}
	}
	return syms, nil
}
