// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/hashset/attest"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/rebuilderd"
	"github.com/modhash/modhash/kbuild/report"
)

const consensusLong = `Counts what independent rebuilders state of one package's manifest. It is agreed
when at least --threshold of the rebuilders that you trust have signed a link about
the same bytes, and the same manifest was given with --manifest, so that it is known
what they cover. The first line of the output is the verdict.

A rebuilder is a name, one or several files with public keys (PEM; as rebuilderd
publishes them, as "modhash attest --write-public-key" writes them, or certificates;
Ed25519 or ECDSA, no RSA), and perhaps the address of its rebuilderd:

  alice alice.pub
  bob   worker.pub daemon.pub https://rebuilder.example.org

--rebuilder gives one such line; --rebuilders names a file of them, in which # begins
a comment and files are relative to its folder. Each rebuilder has one vote, however
many keys and links.

LINK is a link, or a folder of them, in either of the forms that "modhash attest"
writes. In a folder, what is called *.modhash, *.manifest, *.pub or *.pem is passed
over; all else is a link, or listed. An address is asked for attestations of the package by that name, version and
architecture, by rebuilderd's API; nothing is sent anywhere else, and without an
address nothing at all. TLS certificates are verified, http:// is for this machine
only, redirects to other servers are not followed, and a server has --timeout seconds.

Not counted, and listed with one of these reasons:

  ` + consensusReasons + `

A link with a bad signature by a trusted key does not count even if it has a good
one too, and neither does anything of a rebuilder who states two things.

Manifests given with --manifest are matched to what is signed by their digest. If
those of several rebuilders differ, the modules are listed that they do not agree on,
with those who differ from most, and separately the root, the kernel image and, where
it differs, the order.

With --accept ` + report.UnseenManifest + ` the manifest need not be given; the exit code is then 3.`

const consensusReasons = `malformed       it is no link
  other-file      it is about another file or subject
  unknown-key     nobody who is trusted has signed it
  bad-signature   a signature that names a trusted key is not by that key
  second-vote     the rebuilder has stated so already
  contradiction   the rebuilder states another thing elsewhere
  disagreement    it says that something else was built than was published
  unreachable     it could not be read, or its server did not answer as it should
  no-attestation  the server has none for the package`

const consensusExample = `$ modhash generate sample/a -o linux-6.12-1-amd64.modhash
$ echo "Source: linux" >linux.buildinfo
$ for who in alice bob carol; do modhash attest --key sample/keys/$who.key --write-public-key $who.pub --subject linux=6.12-1/amd64 --input linux.buildinfo sample/b >$who.link; done
$ for who in alice bob carol; do echo $who $who.pub; done >rebuilders
$ modhash consensus --subject linux=6.12-1/amd64 --threshold 2 --rebuilders rebuilders --manifest linux-6.12-1-amd64.modhash alice.link bob.link | head -1
agreed: 2 of 3 rebuilders state one manifest, 2 needed; kernel image included`

type consensusFlags struct {
	subject    string
	threshold  int
	rebuilders []string
	file       string
	manifests  []string
	format     string
	accept     []string
	timeout    int
	all        bool
}

func (a *app) consensus() *cobra.Command {
	f := &consensusFlags{}
	cmd := &cobra.Command{
		Use:         "consensus [OPTION]... --subject NAME=VERSION/ARCH --threshold N [LINK]...",
		Short:       "count what independent rebuilders state",
		Long:        consensusLong,
		Example:     consensusExample,
		Annotations: map[string]string{exitAnnotation: "0 enough rebuilders state one manifest, which was given\n1 they do not, or it was not given\n2 wrong usage, or something of yours could not be read\n3 enough rebuilders state one manifest, which was not given (--accept " + report.UnseenManifest + ")"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runConsensus(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.subject, "subject", "", "the package: `NAME=VERSION/ARCH`")
	fl.IntVar(&f.threshold, "threshold", 0, "how many rebuilders must agree, a `NUMBER`")
	fl.StringArrayVar(&f.rebuilders, "rebuilder", nil, "a rebuilder that is trusted: `'NAME KEY-FILE... [URL]'`")
	fl.StringVar(&f.file, "rebuilders", "", "`FILE` with a line for each rebuilder that is trusted")
	fl.StringArrayVar(&f.manifests, "manifest", nil, "a manifest `FILE`, or a folder of *.modhash; may be given several times")
	fl.StringVar(&f.format, "format", "text", "`FORM` of the report: text or json")
	fl.StringSliceVar(&f.accept, "accept", nil, "accept findings of these `KINDS`: "+report.UnseenManifest)
	fl.IntVar(&f.timeout, "timeout", int(rebuilderd.DefaultTimeout/time.Second), "how many `SECONDS` a server may take")
	fl.BoolVar(&f.all, "all", false, "list everything in the text")
	complete(cmd, "format", "text", "json")
	complete(cmd, "accept", report.UnseenManifest)
	return cmd
}

// trusted is a rebuilder with the address of its server, if there is one.
type trusted struct {
	attest.Rebuilder
	url string
}

func (a *app) runConsensus(ctx context.Context, f *consensusFlags, args []string) error {
	if err := checkFormat(f.format); err != nil {
		return err
	}
	if f.subject == "" {
		return usageError("no --subject given")
	}
	subject, err := attest.ParseSubject(f.subject)
	if err != nil {
		return &usage{err}
	}
	for _, k := range f.accept {
		if k != report.UnseenManifest {
			return usageError("--accept %s, want %s", k, report.UnseenManifest)
		}
	}
	if f.timeout < 1 || f.timeout > 86400 {
		return usageError("--timeout %d, want 1 to 86400 seconds", f.timeout)
	}
	rs, err := f.trust(ctx)
	if err != nil {
		return err
	}
	electorate := make([]attest.Rebuilder, len(rs))
	for i, r := range rs {
		electorate[i] = r.Rebuilder
	}
	if f.threshold == 0 {
		return usageError("no --threshold given")
	}
	poll, err := attest.NewPoll(subject, f.threshold, electorate)
	if err != nil {
		return &usage{err}
	}
	hasURL := func(r trusted) bool { return r.url != "" }
	if len(args) == 0 && !slices.ContainsFunc(rs, hasURL) {
		return usageError("no link given, and no rebuilder has an address")
	}
	if err := a.readLinks(ctx, poll, args); err != nil {
		return err
	}
	if err := fetchLinks(ctx, poll, subject, rs, time.Duration(f.timeout)*time.Second); err != nil {
		return err
	}
	r := poll.Count()
	if err := a.addManifests(ctx, r, f.manifests); err != nil {
		return err
	}
	return a.finishConsensus(ctx, f, r)
}

func (a *app) finishConsensus(ctx context.Context, f *consensusFlags, r *attest.Result) error {
	style := a.style()
	style.All = f.all
	err := a.output(ctx, "", func(w io.Writer) error {
		if f.format == "json" {
			return report.ConsensusJSON(w, r)
		}
		return report.Consensus(w, r, style)
	})
	if err != nil {
		return err
	}
	exit := exitOK
	for _, k := range report.ConsensusFindings(r) {
		if !slices.Contains(f.accept, k) {
			return code(exitFinding)
		}
		exit = exitAccepted
	}
	return code(exit)
}

// trust reads who is trusted.
func (f *consensusFlags) trust(ctx context.Context) ([]trusted, error) {
	var rs []trusted
	add := func(where, line, dir string) error {
		r, err := parseRebuilder(ctx, line, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		rs = append(rs, r)
		return nil
	}
	for _, line := range f.rebuilders {
		if err := add("--rebuilder", line, ""); err != nil {
			return nil, &usage{err}
		}
	}
	if f.file == "" {
		return rs, nil
	}
	data, err := readBounded(ctx, f.file, attest.MaxKeys)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, attest.MaxKeys)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := add(fmt.Sprintf("%s:%d", f.file, n), line, filepath.Dir(f.file)); err != nil {
			return nil, err
		}
	}
	return rs, lines.Err()
}

// parseRebuilder reads NAME KEY-FILE... [URL].
func parseRebuilder(ctx context.Context, line, dir string) (trusted, error) {
	var r trusted
	for i, w := range strings.Fields(line) {
		switch {
		case i == 0:
			r.Name = w
		case strings.Contains(w, "://"):
			if err := rebuilderd.CheckURL(w); err != nil {
				return r, err
			}
			if r.url != "" {
				return r, fmt.Errorf("%s has two addresses", r.Name)
			}
			r.url = w
		default:
			if dir != "" && !filepath.IsAbs(w) {
				w = filepath.Join(dir, w)
			}
			data, err := readBounded(ctx, w, attest.MaxKeys)
			if err != nil {
				return r, err
			}
			ks, err := attest.ParseKeys(data)
			if err != nil {
				return r, fmt.Errorf("reading %s: %w", w, err)
			}
			r.Keys = append(r.Keys, ks...)
		}
	}
	if r.Name == "" || len(r.Keys) == 0 {
		return r, fmt.Errorf("%q: want NAME KEY-FILE... [URL]", strings.TrimSpace(line))
	}
	return r, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(untilDone{ctx, f}, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, nil
}

// maxFolder is how many files of a folder are read.
const maxFolder = 10000

// expandFolders replaces folders by the files in them that want takes, sorted.
// What is wanted and no regular file, such as a symbolic link, is skipped.
func expandFolders(paths []string, want func(name string) bool) (out, skipped []string, err error) {
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, nil, err
		}
		if !st.IsDir() {
			out = append(out, p)
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			return nil, nil, err
		}
		n := 0
		for _, e := range entries {
			if !want(e.Name()) {
				continue
			}
			if n++; n > maxFolder {
				return nil, nil, fmt.Errorf("%s holds more than %d files", p, maxFolder)
			}
			if path := filepath.Join(p, e.Name()); e.Type().IsRegular() {
				out = append(out, path)
			} else {
				skipped = append(skipped, path)
			}
		}
		if n == 0 {
			return nil, nil, fmt.Errorf("%s holds nothing to read", p)
		}
	}
	return out, skipped, nil
}

// readLinks adds the links in files. One that cannot be read is no vote.
func (a *app) readLinks(ctx context.Context, poll *attest.Poll, args []string) error {
	paths, skipped, err := expandFolders(args, func(name string) bool {
		return !slices.Contains([]string{".modhash", ".manifest", ".pub", ".pem"}, filepath.Ext(name))
	})
	if err != nil {
		return err
	}
	for _, p := range skipped {
		poll.Fail(p, "", attest.Unreachable, "it is no regular file")
	}
	for _, p := range paths {
		data, err := readBounded(ctx, p, attest.MaxLink)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			poll.Fail(p, "", attest.Unreachable, err.Error())
		default:
			poll.Add(p, data)
		}
	}
	return nil
}

// fetchLinks adds what the servers have. They are asked at once, and added in
// their order.
func fetchLinks(ctx context.Context, poll *attest.Poll, subject attest.Subject, rs []trusted, timeout time.Duration) error {
	type answer struct {
		docs []rebuilderd.Document
		err  error
	}
	answers := make([]answer, len(rs))
	var g errgroup.Group
	g.SetLimit(16)
	for i, r := range rs {
		if r.url == "" {
			continue
		}
		g.Go(func() error {
			c, err := rebuilderd.New(r.url, &rebuilderd.Options{Timeout: timeout, Proxy: http.ProxyFromEnvironment})
			if err == nil {
				defer c.Close()
				answers[i].docs, err = c.Attestations(ctx, subject)
			}
			answers[i].err = err
			return nil
		})
	}
	_ = g.Wait() // each answer has its own error
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, r := range rs {
		if err := answers[i].err; err != nil {
			poll.Fail(r.url, r.Name, reasonOf(err), err.Error())
		}
		for _, d := range answers[i].docs {
			if d.Err != nil {
				poll.Fail(d.URL, r.Name, reasonOf(d.Err), d.Err.Error())
				continue
			}
			poll.Add(d.URL, d.Data)
		}
	}
	return nil
}

func reasonOf(err error) attest.Reason {
	if errors.Is(err, rebuilderd.ErrNone) {
		return attest.NoLink
	}
	return attest.Unreachable
}

// addManifests reads manifests one after the other.
func (a *app) addManifests(ctx context.Context, r *attest.Result, args []string) error {
	paths, skipped, err := expandFolders(args, func(name string) bool { return filepath.Ext(name) == ".modhash" })
	if err != nil {
		return err
	}
	if len(skipped) > 0 {
		return fmt.Errorf("%s is no regular file", skipped[0])
	}
	for _, p := range paths {
		data, err := readBounded(ctx, p, hashset.MaxSize)
		if err != nil {
			return err
		}
		r.AddManifest(p, data)
	}
	return nil
}
