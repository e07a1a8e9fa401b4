// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// rebuilders is a folder with keys, links of each, and a manifest.
func rebuilders(t *testing.T, names ...string) (dir string, links map[string][]byte) {
	t.Helper()
	src, dir := samples(t), t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("Source: linux"), 0o600); err != nil {
		t.Fatal(err)
	}
	links = map[string][]byte{}
	for _, who := range names {
		var out bytes.Buffer
		if c := run(context.Background(), []string{
			"attest", "--quiet", "--key", filepath.Join(src, "keys", who+".key"), "--write-public-key", filepath.Join(dir, who+".pub"), "--subject", "linux=6.12-1/amd64",
			"--input", source, "--write-manifest", filepath.Join(dir, "linux-6.12-1-amd64.modhash"), filepath.Join(src, "b"),
		}, nil, &out, io.Discard); c != 0 {
			t.Fatalf("attest ends with %d", c)
		}
		links[who] = out.Bytes()
	}
	return dir, links
}

// TestConsensusServers asks three servers: one serves its link, one that of
// another rebuilder, and one sends the client elsewhere.
func TestConsensusServers(t *testing.T) {
	dir, links := rebuilders(t, "alice", "bob", "carol")
	var strayed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Store(true) }))
	defer elsewhere.Close()
	server := func(link []byte) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case link == nil:
				http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
			case r.URL.Path == "/api/v1/packages/binary":
				fmt.Fprint(w, `{"records":[{"name":"linux","version":"6.12-1","architecture":"amd64","build_id":1,"artifact_id":2}]}`)
			default:
				w.Write(link)
			}
		}))
	}
	var args []string
	for who, link := range map[string][]byte{"alice": links["alice"], "bob": links["alice"], "carol": nil} {
		s := server(link)
		defer s.Close()
		args = append(args, "--rebuilder", who+" "+filepath.Join(dir, who+".pub")+" "+s.URL)
	}
	args = append([]string{"consensus", "--subject", "linux=6.12-1/amd64", "--manifest", dir}, args...)
	var out, errs bytes.Buffer
	c := run(context.Background(), append(args, "--threshold", "2"), nil, &out, &errs)
	text := out.String()
	for _, want := range []string{
		"NOT agreed: at most 1 of 3 rebuilders state one manifest, 2 needed\n", "second-vote", " by alice: it counts once", "unreachable", "redirects to another one", "no vote     bob, carol",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said", want)
		}
	}
	if c != exitFinding || errs.Len() != 0 || strayed.Load() {
		t.Errorf("exit code %d, errors %q, strayed %v\n%s", c, errs.String(), strayed.Load(), text)
	}
	out.Reset()
	if err := os.WriteFile(filepath.Join(dir, "bob.link"), links["bob"], 0o600); err != nil {
		t.Fatal(err)
	}
	if c := run(context.Background(), append(args, "--threshold", "2", filepath.Join(dir, "bob.link")), nil, &out, &errs); c != exitOK {
		t.Errorf("exit code %d\n%s", c, out.String())
	}
}
