// SPDX-License-Identifier: Apache-2.0

// Package pool runs numbered jobs on a bounded number of workers, with results
// that do not depend on how many there are.
package pool

import (
	"context"
	"sync"
	"sync/atomic"
)

// Each calls do(w, i) for every i from 0 to n-1, on at most workers goroutines;
// w is what start returned for the goroutine, and free is called with it at the
// end. Numbers are handed out in order. After an error no number above the
// failed one is begun, and the error returned is that of the lowest failed
// number, or that of the context.
func Each[W any](ctx context.Context, workers, n int, start func() W, free func(W), do func(w W, i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var stop lowest
	stop.v.Store(int64(n))
	var wg sync.WaitGroup
	for range max(1, min(workers, n)) {
		wg.Go(func() {
			w := start()
			defer free(w)
			for {
				// Everything below a failed number is being worked on already.
				i := next.Add(1) - 1
				if i >= stop.v.Load() || ctx.Err() != nil {
					return
				}
				if errs[i] = do(w, int(i)); errs[i] != nil {
					stop.lower(i)
				}
			}
		})
	}
	wg.Wait()
	if i := stop.v.Load(); i < int64(n) {
		return errs[i]
	}
	return ctx.Err()
}

type lowest struct{ v atomic.Int64 }

func (l *lowest) lower(to int64) {
	for {
		old := l.v.Load()
		if old <= to || l.v.CompareAndSwap(old, to) {
			return
		}
	}
}
