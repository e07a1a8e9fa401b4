// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

func none() struct{}  { return struct{}{} }
func free(_ struct{}) {}

func TestEachDoesAll(t *testing.T) {
	for _, workers := range []int{0, 1, 2, 7, 100} {
		for _, n := range []int{0, 1, 2, 50} {
			seen := make([]atomic.Int32, n)
			var open atomic.Int32
			err := Each(context.Background(), workers, n, func() int { open.Add(1); return 0 }, func(int) { open.Add(-1) },
				func(_ int, i int) error { seen[i].Add(1); return nil })
			if err != nil || open.Load() != 0 {
				t.Fatalf("%d workers, %d jobs: %v, %d not freed", workers, n, err, open.Load())
			}
			for i := range seen {
				if seen[i].Load() != 1 {
					t.Errorf("%d workers: job %d done %d times", workers, i, seen[i].Load())
				}
			}
		}
	}
}

func TestEachLowestError(t *testing.T) {
	for round := range 200 {
		var begun atomic.Int32
		err := Each(context.Background(), 1+round%8, 1000, none, free, func(_ struct{}, i int) error {
			begun.Add(1)
			if i >= 20 && i%3 == 2 {
				return fmt.Errorf("job %d", i)
			}
			return nil
		})
		if err == nil || err.Error() != "job 20" {
			t.Fatalf("error %v, want that of job 20", err)
		}
		if begun.Load() > 100 {
			t.Errorf("%d jobs begun after an error at 20", begun.Load())
		}
	}
}

func TestEachCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := Each(ctx, 1, 1000, none, free, func(struct{}, int) error {
		if n++; n == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 5 {
		t.Errorf("%v after %d jobs", err, n)
	}
}
