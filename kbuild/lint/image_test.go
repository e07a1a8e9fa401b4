// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"compress/gzip"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/testdata/gen/ko"
)

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	var w bytes.Buffer
	z := gzip.NewWriter(&w)
	z.Name = "built-on-vm7"
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// flat is a kernel of arm64 with a text and an embedded configuration.
func flat(t testing.TB, text, config string) []byte {
	t.Helper()
	b := append(make([]byte, 56), "ARM\x64"...)
	b = append(b, ko.Code("flat", 5000)...)
	b = append(b, "\x00"+text+"\x00IKCFG_ST"...)
	b = append(b, pack(t, []byte(config))...)
	return append(b, "IKCFG_ED"...)
}

func TestImage(t *testing.T) {
	s := scanner(t, Needle{User, "bob"}, Needle{Path, "/srv/keys"}, Needle{Host, "vm7"})
	kernel := flat(t, "Linux version 6.12.0 (bob@vm7)", "CONFIG_MODULE_SIG_KEY=\"/srv/keys/k.pem\"\n")
	for name, c := range map[string]struct {
		data  []byte
		limit int64
		want  []string
	}{
		"flat":      {kernel, 0, []string{"leak-user flat", "leak-host flat", "leak-path flat (config)"}},
		"packed":    {pack(t, kernel), 0, []string{"leak-user packed (kernel)", "leak-host packed (kernel)", "leak-path packed (config)"}},
		"cut":       {pack(t, kernel)[:3000], 0, []string{"? cut"}},
		"too large": {pack(t, kernel), 1000, []string{"? too large"}},
		"no image":  {[]byte("bob@vm7"), 0, []string{"leak-user no image", "leak-host no image", "? no image"}},
		"empty":     {nil, 0, []string{"? empty"}},
	} {
		rep, err := s.Image(context.Background(), name, bytes.NewReader(c.data), int64(len(c.data)), &image.Options{Limit: c.limit, TmpDir: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, f := range rep.Findings {
			got = append(got, f.Rule+" "+f.File)
		}
		for _, u := range rep.Unknown {
			got = append(got, "? "+u.File)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s%v", name, d, rep.Unknown)
		}
	}
	if rep, err := s.Image(context.Background(), "broken", failing{}, 10, nil); rep != nil || err == nil {
		t.Errorf("%v, %v", rep, err)
	}
}
