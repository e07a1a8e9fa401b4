// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	bannerStart = "Linux version "
	maxBanner   = 1024 // bytes, with the NUL; real ones have about 250
)

// readBanner finds the banner (init/version-timestamp.c):
//
//	Linux version RELEASE (USER@HOST) (COMPILER) #N … LF NUL
//
// A kernel since 6.1 also has the draft that its build made before it knew N.
func (im *Image) readBanner(k *kernel) error {
	places, err := k.bannerPlaces()
	if err != nil {
		return err
	}
	var all []string
	for _, off := range places {
		b, err := k.bytes(off, min(maxBanner, k.size-off))
		if err != nil {
			return err
		}
		banner, version, ok := parseBanner(b)
		if !ok || slices.Contains(all, banner) {
			continue
		}
		if all = append(all, banner); len(all) > 1 {
			im.problem(off, "a second banner, %.200q", banner)
			continue
		}
		im.Banner, im.Version = banner, version
		im.Release = firstWord(banner[len(bannerStart):])
	}
	if len(all) == 0 {
		im.problem(0, "there is no banner that starts with %q: is this a kernel?", bannerStart)
	}
	return nil
}

func (k *kernel) bannerPlaces() ([]int64, error) {
	if addr, ok := k.syms[symBanner]; ok {
		off, err := k.offset(addr, uint64(len(bannerStart)))
		return []int64{off}, err
	}
	f, err := k.found()
	if err != nil {
		return nil, err
	}
	return f.banners, nil
}

// parseBanner reads the banner at the start of b.
func parseBanner(b []byte) (banner, version string, ok bool) {
	text, _, terminated := bytes.Cut(b, []byte{0})
	text, lf := bytes.CutSuffix(text, []byte("\n"))
	if !terminated || !lf || !isText(text) || !bytes.HasPrefix(text, []byte(bannerStart)) {
		return "", "", false
	}
	banner = string(text)
	rest := banner[len(bannerStart):]
	for at := 0; ; at++ {
		n := strings.Index(rest[at:], ") #")
		if n < 0 {
			return "", "", false
		}
		at += n
		if v := rest[at+2:]; len(v) > 1 && v[1] >= '0' && v[1] <= '9' {
			return banner, v, rest[0] >= '0' && rest[0] <= '9'
		}
	}
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// isText reports whether b can be shown: UTF-8 without control characters.
func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, unicode.IsControl)
}
