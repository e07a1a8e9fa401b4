// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/hashset"
)

// manifest is one of n modules, of which some are changed.
func manifest(t testing.TB, n int, change func(*hashset.Manifest)) []byte {
	t.Helper()
	m := &hashset.Manifest{Release: "6.12", Arch: "x86_64 elf64 little", Image: hashset.ImageDigest{State: hashset.ImageSHA256}, Scheme: hashset.Merkle}
	for i := range n {
		m.Entries = append(m.Entries, hashset.Entry{Name: fmt.Sprintf("kernel/drivers/%c/module%d.ko", 'a'+i%26, i), Digest: sha256.Sum256([]byte{byte(i), byte(i >> 8)})})
	}
	m.Root = hashset.Root{Levels: hashset.Levels(n), Hash: hashset.Digest{1}}
	if change != nil {
		change(m)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func electorate(t testing.TB, n int) []Rebuilder {
	var rs []Rebuilder
	for i := range n {
		r := Rebuilder{Name: fmt.Sprintf("r%02d", i), Keys: []*PublicKey{public(t, testKey(fmt.Sprintf("r%02d", i)))}}
		if i%2 == 1 {
			r.Keys = append(r.Keys, public(t, testKey(fmt.Sprintf("r%02d daemon", i))))
		}
		rs = append(rs, r)
	}
	return rs
}

func link(t testing.TB, who string, content []byte) []byte {
	return signed(t, Metablock, statement(t, string(content)), testKey(who))
}

// cosign adds the signature of another to a link.
func cosign(t testing.TB, who string, content []byte, other string) []byte {
	a, b := string(link(t, who, content)), string(link(t, other, content))
	_, sig, _ := strings.Cut(b, `"signatures":[`)
	sig, _, _ = strings.Cut(sig, `]`)
	return []byte(strings.Replace(a, `"signatures":[`, `"signatures":[`+sig+",", 1))
}

func poll(t testing.TB, threshold, rebuilders int) *Poll {
	t.Helper()
	p, err := NewPoll(testSubject, threshold, electorate(t, rebuilders))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVotes(t *testing.T) {
	m, other := []byte("manifest"), []byte("another")
	denial := statement(t, "manifest")
	built := artifact(t, testSubject.File(), "another")
	denial.Rebuilt = &built
	mine := statement(t, "manifest")
	mine.Subject.Version = "6.12" // and the file's name is the same
	mine.Subject.Arch = "1-amd64"
	for name, c := range map[string]struct {
		docs    [][]byte
		verdict Verdict
		votes   int // in the first group
		reasons []Reason
	}{
		"two of three":      {[][]byte{link(t, "r00", m), link(t, "r01", m), link(t, "r02", other)}, Agreed, 2, nil},
		"one":               {[][]byte{link(t, "r00", m)}, TooFew, 1, nil},
		"none":              {nil, TooFew, 0, nil},
		"nobody agrees":     {[][]byte{link(t, "r00", m), link(t, "r01", other)}, TooFew, 1, nil},
		"twice the same":    {[][]byte{link(t, "r00", m), link(t, "r00", m)}, TooFew, 1, []Reason{SecondVote}},
		"two keys":          {[][]byte{link(t, "r01", m), link(t, "r01 daemon", m)}, TooFew, 1, []Reason{SecondVote}},
		"two keys one link": {[][]byte{cosign(t, "r01", m, "r01 daemon")}, TooFew, 1, nil},
		"two sign one link": {[][]byte{cosign(t, "r00", m, "r01")}, Agreed, 2, nil},
		"unknown cosigns":   {[][]byte{cosign(t, "r00", m, "x"), link(t, "r02", m)}, Agreed, 2, nil},
		"unknown":           {[][]byte{link(t, "r00", m), link(t, "x", m)}, TooFew, 1, []Reason{UnknownKey}},
		"contradiction":     {[][]byte{link(t, "r00", m), link(t, "r00", other), link(t, "r01", m)}, TooFew, 1, []Reason{Contradiction, Contradiction}},
		"contradicted keys": {[][]byte{link(t, "r01", m), link(t, "r01 daemon", other), link(t, "r00", m)}, TooFew, 1, []Reason{Contradiction, Contradiction}},
		"denied":            {[][]byte{signed(t, Envelope, denial, testKey("r00")), link(t, "r01", m), link(t, "r02", m)}, Agreed, 2, []Reason{Disagreement}},
		"denied by itself":  {[][]byte{signed(t, Envelope, denial, testKey("r00")), link(t, "r00", m), link(t, "r01", m)}, TooFew, 1, []Reason{Disagreement, Contradiction}},
		"other file": {[][]byte{signed(t, Metablock, &Statement{Product: artifact(t, "linux-6.12-2-amd64.modhash", "manifest"), Materials: mine.Materials}, testKey("r00")),
			link(t, "r01", m)}, TooFew, 1, []Reason{OtherFile}},
		"other subject": {[][]byte{signed(t, Envelope, mine, testKey("r00")), link(t, "r01", m)}, TooFew, 1, []Reason{OtherFile}},
		"both forms":    {[][]byte{signed(t, Envelope, statement(t, "manifest"), testKey("r00")), link(t, "r01", m)}, Agreed, 2, nil},
		"spoiled": {[][]byte{bytes.Replace(cosign(t, "r00", m, "r01"), []byte(`"sig":"`), []byte(`"sig":"00`), 1), link(t, "r02", m)},
			TooFew, 1, []Reason{BadSignature}},
		"malformed": {[][]byte{[]byte("{"), link(t, "r02", m)}, TooFew, 1, []Reason{Malformed}},
	} {
		for _, turn := range []bool{false, true} {
			p := poll(t, 2, 3)
			for i := range c.docs {
				if turn {
					i = len(c.docs) - 1 - i
				}
				p.Add(fmt.Sprintf("%d.link", i), c.docs[i])
			}
			r := p.Count()
			votes := 0
			if len(r.Groups) > 0 {
				votes = len(r.Groups[0].Rebuilders)
			}
			var reasons []Reason
			for _, x := range r.Rejected {
				reasons = append(reasons, x.Reason)
			}
			if r.Verdict != c.verdict || votes != c.votes || (r.Winner() != nil) != (c.verdict == Agreed) {
				t.Errorf("%s: %s, %d votes", name, r.Verdict, votes)
			}
			slices.Sort(reasons)
			slices.Sort(c.reasons)
			if d := cmp.Diff(c.reasons, reasons); d != "" {
				t.Errorf("%s: reasons (-want +got)\n%s", name, d)
			}
			if voted := r.Rebuilders - len(r.Silent); voted < votes {
				t.Errorf("%s: %d silent", name, len(r.Silent))
			}
		}
	}
	p := poll(t, 1, 3)
	p.Add("a", link(t, "r00", m))
	p.Add("b", link(t, "r01", other))
	if r := p.Count(); r.Verdict != Contested || r.Winner() != nil {
		t.Errorf("1 and 1 of 1: %s", r.Verdict)
	}
}

func TestNewPoll(t *testing.T) {
	one := electorate(t, 3)
	for name, c := range map[string]struct {
		subject   Subject
		threshold int
		rs        []Rebuilder
	}{
		"none":     {testSubject, 1, nil},
		"zero":     {testSubject, 0, one},
		"many":     {testSubject, 4, one},
		"name":     {testSubject, 1, []Rebuilder{one[0], {"r00", one[1].Keys}}},
		"no name":  {testSubject, 1, []Rebuilder{{"", one[1].Keys}}},
		"no key":   {testSubject, 1, []Rebuilder{{"a", nil}}},
		"one key":  {testSubject, 1, []Rebuilder{one[0], {"a", one[0].Keys}}},
		"own key":  {testSubject, 1, []Rebuilder{{"a", append(one[0].Keys, one[0].Keys...)}}},
		"subject":  {Subject{"a", "", "b"}, 1, one},
		"negative": {testSubject, -1, one},
	} {
		if _, err := NewPoll(c.subject, c.threshold, c.rs); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCompare(t *testing.T) {
	base := manifest(t, 30, nil)
	changed := manifest(t, 30, func(m *hashset.Manifest) {
		m.Entries[7].Digest[0] ^= 1
		m.Root.Hash[0] ^= 1
	})
	fewer := manifest(t, 30, func(m *hashset.Manifest) {
		m.Entries = m.Entries[:29]
		m.Image.Digest[0] = 9
	})
	p := poll(t, 3, 6)
	for i, doc := range [][]byte{base, base, changed, fewer, []byte("secret")} {
		p.Add(fmt.Sprint(i), link(t, fmt.Sprintf("r%02d", i), doc))
	}
	r := p.Count()
	if r.Compare() != nil {
		t.Error("compared without manifests")
	}
	for i, doc := range [][]byte{base, changed, fewer, base, []byte("x")} {
		r.AddManifest(fmt.Sprintf("m%d", i), doc)
	}
	c := r.Compare()
	if r.Verdict != TooFew || c.Modules != 30 || c.Agreed != 28 || len(c.Contested) != 2 {
		t.Fatalf("%s, %+v", r.Verdict, c)
	}
	if d := cmp.Diff([]string{"m4"}, r.Surplus); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"r04"}, c.Without); d != "" {
		t.Error(d)
	}
	m := c.Contested[0]
	if m.Name != "kernel/drivers/h/module7.ko" || !slices.Equal(m.Outliers, []string{"r02"}) || !m.Enough {
		t.Errorf("%+v", m)
	}
	m = c.Contested[1]
	if m.Name != "kernel/drivers/d/module29.ko" || !slices.Equal(m.Outliers, []string{"r03"}) || m.Choices[1].Value != "missing" {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(c.Root.Outliers, []string{"r02"}) || !slices.Equal(c.Image.Outliers, []string{"r03"}) || c.Build.Contested() {
		t.Errorf("%+v", c)
	}
	if d := cmp.Diff([]string{"r00", "r01", "r02"}, c.Image.Choices[0].Rebuilders); d != "" {
		t.Error(d)
	}
	r.AddManifest("late", []byte("secret"))
	if c := r.Compare(); len(c.Without) != 1 || r.Groups[3].Manifest == nil && r.Groups[2].Manifest == nil && r.Groups[1].Manifest == nil {
		t.Errorf("a stated file that is no manifest: %+v", c)
	}
}

// TestCompareOrder: manifests without a hashset that differ in the order of their
// modules alone.
func TestCompareOrder(t *testing.T) {
	bare := func(m *hashset.Manifest) { m.Scheme, m.Root = hashset.None, hashset.Root{} }
	one := manifest(t, 30, bare)
	turned := manifest(t, 30, func(m *hashset.Manifest) {
		bare(m)
		m.Entries[3], m.Entries[4] = m.Entries[4], m.Entries[3]
	})
	p := poll(t, 2, 3)
	for i, doc := range [][]byte{one, one, turned} {
		p.Add(fmt.Sprint(i), link(t, fmt.Sprintf("r%02d", i), doc))
	}
	r := p.Count()
	r.AddManifest("one", one)
	r.AddManifest("turned", turned)
	c := r.Compare()
	if c.Agreed != 30 || len(c.Contested) != 0 || c.Root.Contested() || !c.Order.Contested() || !slices.Equal(c.Order.Outliers, []string{"r02"}) {
		t.Errorf("%+v", c)
	}

	p = poll(t, 1, 2)
	fewer := manifest(t, 29, bare)
	p.Add("one", link(t, "r00", one))
	p.Add("fewer", link(t, "r01", fewer))
	r = p.Count()
	r.AddManifest("one", one)
	r.AddManifest("fewer", fewer)
	if c := r.Compare(); c.Order.Name != "" || c.Order.Contested() {
		t.Errorf("the order of other modules: %+v", c.Order)
	}
}

// TestTwenty counts 20 rebuilders with manifests as large as a distribution's:
// 12 honest, others faulty, malicious, late, duplicated, with two keys.
func TestTwenty(t *testing.T) {
	base := manifest(t, 4230, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	p := poll(t, 10, 20)
	manifests := [][]byte{base}
	for i := range 12 {
		p.Add(fmt.Sprint("honest ", i), link(t, fmt.Sprintf("r%02d", i), base))
	}
	p.Add("again", link(t, "r00", base))
	p.Add("daemon", link(t, "r01 daemon", base))
	for i := 12; i < 17; i++ {
		bad := manifest(t, 4230, func(m *hashset.Manifest) { m.Entries[rng.IntN(4230)].Digest[0] ^= 1 })
		manifests = append(manifests, bad)
		p.Add(fmt.Sprint("faulty ", i), link(t, fmt.Sprintf("r%02d", i), bad))
	}
	p.Add("both 1", link(t, "r17", base))
	p.Add("both 2", link(t, "r17 daemon", manifests[1]))
	p.Add("forged", bytes.Replace(link(t, "r18", base), []byte(`"sig":"`), []byte(`"sig":"0`), 1))
	start := time.Now()
	r := p.Count()
	for i, m := range manifests {
		r.AddManifest(fmt.Sprint(i), m)
	}
	c := r.Compare()
	t.Logf("counted in %v", time.Since(start))
	if r.Verdict != Agreed || len(r.Winner().Rebuilders) != 12 || c.Agreed != 4225 || len(c.Contested) != 5 || !slices.Equal(r.Silent, []string{"r17", "r18", "r19"}) {
		t.Errorf("%s, %+v", r.Verdict, c.Contested)
	}
	for i, m := range c.Contested {
		if len(m.Outliers) != 1 || !m.Enough {
			t.Errorf("%d: %+v", i, m)
		}
	}
}

// BenchmarkPoll: the time for 100 is about five times that for 20.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{20, 100} {
		var docs, manifests [][]byte
		for i := range n {
			m := manifest(b, 4230, func(m *hashset.Manifest) {
				if i%2 == 1 {
					m.Entries[i].Digest[0] ^= 1
				}
			})
			docs, manifests = append(docs, link(b, fmt.Sprintf("r%02d", i), m)), append(manifests, m)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := poll(b, n/2, n)
				for i, d := range docs {
					p.Add(fmt.Sprint(i), d)
				}
				r := p.Count()
				for i, m := range manifests {
					r.AddManifest(fmt.Sprint(i), m)
				}
				r.Compare()
			}
		})
	}
}
