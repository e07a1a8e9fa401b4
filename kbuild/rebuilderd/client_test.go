// SPDX-License-Identifier: Apache-2.0

package rebuilderd

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modhash/modhash/hashset/attest"
)

var subject = attest.Subject{Name: "linux image", Version: "1:6.12+b1", Arch: "amd64"}

// list is an answer of rebuilderd 0.28 about one package.
const list = `{"total":3,"records":[
{"id":1,"name":"linux image","version":"1:6.12+b1","distribution":"debian","release":null,"component":"main","architecture":"amd64","url":"https://x/y","status":"GOOD","build_id":7,"artifact_id":9,"diffoscope_log_id":null,"attestation_log_id":4,"last_seen":"2026-01-01T00:00:00","seen_in_last_sync":true},
{"id":2,"name":"linux image","version":"1:6.12+b1","distribution":"debian","architecture":"amd64","url":"","status":null,"build_id":null,"artifact_id":null},
{"id":3,"name":"linux image","version":"1:6.12+b1","distribution":"debian","architecture":"arm64","url":"","status":"GOOD","build_id":8,"artifact_id":1},
{"id":4,"name":"linux image","version":"1:6.12+b1","distribution":"debian","architecture":"amd64","url":"","status":"BAD","build_id":7,"artifact_id":10}]}`

func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL, &Options{Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

func TestAttestations(t *testing.T) {
	var busy atomic.Int32
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case busy.Add(1) == 2:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case r.URL.Path == "/api/v1/packages/binary":
			if q := r.URL.Query(); q.Get("name") != subject.Name || q.Get("version") != subject.Version || q.Get("architecture") != subject.Arch || r.Header.Get("Accept-Encoding") != "identity" {
				t.Errorf("asked for %s with %v", r.URL, r.Header)
			}
			fmt.Fprint(w, list)
		case r.URL.Path == "/api/v1/builds/7/artifacts/9/attestation":
			fmt.Fprint(w, "the link")
		default:
			http.NotFound(w, r)
		}
	})
	docs, err := c.Attestations(context.Background(), subject)
	if err != nil || len(docs) != 2 {
		t.Fatalf("%v, %v", docs, err)
	}
	if d := docs[0]; string(d.Data) != "the link" || d.Err != nil || !strings.HasSuffix(d.URL, "/api/v1/builds/7/artifacts/9/attestation") {
		t.Errorf("%+v", d)
	}
	if d := docs[1]; d.Data != nil || !errors.Is(d.Err, ErrNone) {
		t.Errorf("%+v", d)
	}
}

// TestHostile is about servers that are not as they should be.
func TestHostile(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the client went elsewhere") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		want   string
		most   int32 // requests
	}{
		"redirect":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "redirects to another", 1},
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, "redirects", 12},
		"broken":        {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) }, "status 500", 3},
		"forbidden":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusForbidden) }, "status 403", 1},
		"nothing":       {func(http.ResponseWriter, *http.Request) {}, "no list", 1},
		"no records":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"total":0,"records":[]}`) }, "no attestation", 1},
		"another JSON":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"total":0}`) }, "no list", 1},
		"not JSON":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>`) }, "no list", 1},
		"bad ids":       {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.ReplaceAll(list, ":7,", ":-7,")) }, "build -7", 1},
		"hangs up": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, list[:20])
		}, "EOF", 3},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "zstd")
			fmt.Fprint(w, list)
		}, "compresses", 1},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Write(bytes.Repeat([]byte(" "), maxAnswer+2))
		}, "too large", 1},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1000))); err != nil {
					return
				}
			}
		}, "too large", 1},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				fmt.Fprint(w, " ")
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, "longer than", 1},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "longer than", 1},
		"many": {func(w http.ResponseWriter, _ *http.Request) {
			var b strings.Builder
			for i := range maxRecords + 1 {
				fmt.Fprintf(&b, `,{"name":"linux image","version":"1:6.12+b1","architecture":"amd64","build_id":%d,"artifact_id":1}`, i+1)
			}
			fmt.Fprintf(w, `{"records":[%s]}`, b.String()[1:])
		}, "more than 32", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Add(1); c.handle(w, r) }))
			defer s.Close()
			// Only where the time is what is tested may it be short: this machine may be
			// busy.
			timeout := time.Minute
			if c.want == "longer than" {
				timeout = time.Second / 2
			}
			client, err := New(s.URL, &Options{Pause: time.Millisecond, Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			docs, err := client.Attestations(context.Background(), subject)
			if err == nil || !strings.Contains(err.Error(), c.want) || docs != nil || n.Load() > c.most {
				t.Errorf("%v, %v after %d requests", docs, err, n.Load())
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"records":[]}`) }))
	defer s.Close()
	s.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for want, o := range map[string]*Options{
		"certificate":    {Pause: time.Millisecond},
		"no attestation": {Roots: roots},
	} {
		c, err := New(s.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Attestations(context.Background(), subject); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		c.Close()
	}
}

func TestCheckURL(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://example.org":           true,
		"https://example.org:8484/path": true,
		"http://127.0.0.1:8484":         true,
		"http://[::1]:8484/":            true,
		"http://localhost:8484":         true,
		"http://example.org":            false,
		"http://127.0.0.1.example.org":  false,
		"http://10.0.0.1":               false,
		"ftp://example.org":             false,
		"https://u:p@example.org":       false,
		"https://example.org?x=1":       false,
		"https://example.org#x":         false,
		"https://":                      false,
		"example.org":                   false,
		"file:///etc/passwd":            false,
		"":                              false,
	} {
		if err := CheckURL(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(list))
	f.Add([]byte(`{"records":[{"build_id":1e30}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		rs, err := parseRecords(answer, subject)
		if (len(rs) == 0) != (err != nil) || len(rs) > maxRecords {
			t.Fatalf("%v, %v", rs, err)
		}
		for _, r := range rs {
			if *r.Build < 1 || *r.Artifact < 1 || r.Name != subject.Name {
				t.Fatalf("%+v", r)
			}
		}
	})
}
