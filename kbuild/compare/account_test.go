// SPDX-License-Identifier: Apache-2.0

package compare

import "testing"

// TestTogether: above the limit the items of a cause become one, and nothing of them
// is lost in the sums.
func TestTogether(t *testing.T) {
	x, y := &Cause{ID: "x"}, &Cause{ID: "y"}
	for _, limit := range []int{MaxItems, 5, 100} {
		var items []Item
		for i := range 9 {
			items = append(items, Item{Owner: Owner{Cause: x, Subject: "s"}, Regions: 1, Tally: Tally{ChangedA: int64(i)}})
		}
		items = append(items, Item{Owner: Owner{Cause: y, Subject: "s"}, Regions: 1})
		got := together(items, limit)
		want := min(limit+1, 9) + 1
		if len(got) != want {
			t.Fatalf("limit %d: %d items, want %d", limit, len(got), want)
		}
		var regions, more int
		var bytes int64
		for i := range got {
			regions += got[i].Regions
			more += got[i].More
			bytes += got[i].ChangedA
			if (got[i].More > 0) != (got[i].Subject == "") {
				t.Errorf("limit %d: item %d of %d with the subject %q", limit, i, got[i].More, got[i].Subject)
			}
		}
		if regions != 10 || bytes != 36 || more != max(0, 9-limit) {
			t.Errorf("limit %d: %d regions, %d bytes, %d more; want 10, 36, %d", limit, regions, bytes, more, max(0, 9-limit))
		}
	}
}
