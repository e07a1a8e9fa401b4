// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is how long a key stays the current one. The zero value is for ever.
type Period struct {
	always                bool
	seconds, days, months int64
}

// units are the words that a period's number can have. A single m is none: it would
// be minutes to some and months to others.
var units = map[string]Period{
	"s": {seconds: 1}, "sec": {seconds: 1}, "second": {seconds: 1}, "seconds": {seconds: 1},
	"min": {seconds: 60}, "minute": {seconds: 60}, "minutes": {seconds: 60},
	"h": {seconds: 3600}, "hour": {seconds: 3600}, "hours": {seconds: 3600},
	"d": {days: 1}, "day": {days: 1}, "days": {days: 1},
	"w": {days: 7}, "week": {days: 7}, "weeks": {days: 7},
	"mo": {months: 1}, "month": {months: 1}, "months": {months: 1},
	"y": {months: 12}, "year": {months: 12}, "years": {months: 12},
}

// ParsePeriod reads "never", "always", or a number and its unit, with a blank
// between them or not: "7d", "12 months". The number is 1 to 10000.
func ParsePeriod(s string) (Period, error) {
	switch s {
	case "never":
		return Period{}, nil
	case "always":
		return Period{always: true}, nil
	}
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 32)
	word := strings.TrimPrefix(s[i:], " ")
	u, ok := units[word]
	switch {
	case err != nil || n < 1 || n > 10000:
		return Period{}, fmt.Errorf("the period %.40q: want never, always, or a number from 1 to 10000 with its unit, such as 7d", s)
	case word == "m" || word == "M":
		return Period{}, fmt.Errorf("the period %.40q: m can be minutes or months; write min or mo", s)
	case !ok:
		return Period{}, fmt.Errorf("the period %.40q: the units are s, min, h, d, w, mo and y", s)
	}
	return Period{seconds: n * u.seconds, days: n * u.days, months: n * u.months}, nil
}

// Over reports whether a key that was made at a time is to be replaced at another.
// A month has the days that the calendar gives it.
func (p Period) Over(made, now time.Time) bool {
	switch {
	case p.always:
		return true
	case p == Period{}:
		return false
	}
	end := made.UTC().AddDate(0, int(p.months), int(p.days)).Add(time.Duration(p.seconds) * time.Second)
	return !now.Before(end)
}
