// SPDX-License-Identifier: Apache-2.0

package rebuilderd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modhash/modhash/hashset/attest"
)

const (
	// maxAnswer is the size in bytes above which a list of packages is not read.
	// The list of one package in all its builds has a few thousand.
	maxAnswer = 4 << 20
	// maxRecords is how many attestations of one subject are fetched.
	maxRecords = 32
	maxHops    = 3
	retries    = 2
	// DefaultTimeout is how long one server may take in all.
	DefaultTimeout = 60 * time.Second
)

// Errors of [Client.Attestations]; they come wrapped.
var (
	// ErrNone: the server has no attestation of the subject.
	ErrNone = errors.New("the server has no attestation of it")
	// ErrRedirect: the server sends the client to another one.
	ErrRedirect = errors.New("the server redirects to another one")
	// ErrTooLarge: the answer is larger than any that is meant well.
	ErrTooLarge = errors.New("the answer is too large")
)

// Options of a client. The zero value is ready for use.
type Options struct {
	// Timeout is how long one call may take in all; 0 is DefaultTimeout.
	Timeout time.Duration
	// Pause is the time before the first retry, twice as long before the second;
	// 0 is half a second.
	Pause time.Duration
	// Roots are the authorities of TLS certificates; nil: those of the system.
	Roots *x509.CertPool
	// Proxy is as in [http.Transport]; nil: there is none.
	Proxy func(*http.Request) (*url.URL, error)
}

// Client talks to one server.
type Client struct {
	base    *url.URL
	http    *http.Client
	timeout time.Duration
	pause   time.Duration
}

// CheckURL reports what keeps a text from being the address of a server:
// https://HOST[:PORT][/PATH], or http:// for an address of the loopback
// interface.
func CheckURL(address string) error {
	_, err := parseURL(address)
	return err
}

func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, fmt.Errorf("%q is no address of a server; want https://HOST", address)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("%s: an address of a server has no user, no query and no fragment", u.Redacted())
	case u.Scheme == "https":
	case u.Scheme != "http":
		return nil, fmt.Errorf("%q is no address of a server; want https://HOST", address)
	case u.Hostname() != "localhost":
		if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("%s: want https, except for an address of this machine", address)
		}
	}
	return u, nil
}

// New makes a client of the server at an address; see [CheckURL].
func New(address string, o *Options) (*Client, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	c := &Client{base: u, timeout: o.Timeout, pause: o.Pause}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if c.pause <= 0 {
		c.pause = time.Second / 2
	}
	c.http = &http.Client{
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != u.Scheme || r.URL.Host != u.Host {
				return ErrRedirect
			}
			if len(via) > maxHops {
				return fmt.Errorf("more than %d redirects", maxHops)
			}
			return nil
		},
		Transport: &http.Transport{
			Proxy:                  o.Proxy,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  c.timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
	return c, nil
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Document is what a server serves as an attestation, or why it does not.
type Document struct {
	URL  string
	Data []byte
	Err  error
}

// Attestations fetches all attestations that the server has for the package of
// that name, version and architecture, of whatever file. The error is about the
// server as a whole.
func (c *Client) Attestations(ctx context.Context, s attest.Subject) ([]Document, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := c.base.JoinPath("api", "v1", "packages", "binary")
	u.RawQuery = url.Values{"name": {s.Name}, "version": {s.Version}, "architecture": {s.Arch}}.Encode()
	answer, err := c.get(ctx, u, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	records, err := parseRecords(answer, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	var docs []Document
	for _, r := range records {
		u := c.base.JoinPath("api", "v1", "builds", strconv.FormatInt(*r.Build, 10), "artifacts", strconv.FormatInt(*r.Artifact, 10), "attestation")
		data, err := c.get(ctx, u, attest.MaxLink)
		docs = append(docs, Document{u.String(), data, err})
	}
	return docs, nil
}

// record is a package that was built.
type record struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Arch     string `json:"architecture"`
	Build    *int64 `json:"build_id"`
	Artifact *int64 `json:"artifact_id"`
}

// parseRecords finds the builds of a subject in a list of packages. The ids are
// positive, and no pair of them is there twice.
func parseRecords(answer []byte, s attest.Subject) ([]record, error) {
	var list struct {
		Records []record `json:"records"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("the answer is no list of packages: %w", err)
	}
	if list.Records == nil {
		return nil, errors.New("the answer is no list of packages: it has no records")
	}
	var found []record
	for _, r := range list.Records {
		if r.Name != s.Name || r.Version != s.Version || r.Arch != s.Arch || r.Build == nil || r.Artifact == nil {
			continue
		}
		if *r.Build < 1 || *r.Artifact < 1 {
			return nil, fmt.Errorf("the answer names a build %d, artifact %d", *r.Build, *r.Artifact)
		}
		if slices.ContainsFunc(found, func(o record) bool { return *o.Build == *r.Build && *o.Artifact == *r.Artifact }) {
			continue
		}
		if len(found) == maxRecords {
			return nil, fmt.Errorf("more than %d builds of one package", maxRecords)
		}
		found = append(found, r)
	}
	if len(found) == 0 {
		return nil, ErrNone
	}
	return found, nil
}

// get fetches an answer of at most limit bytes. What may pass is tried again.
func (c *Client) get(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	for try := 0; ; try++ {
		data, again, err := c.once(ctx, u, limit)
		if err == nil {
			return data, nil
		}
		if ctx.Err() != nil {
			return nil, c.ended(ctx)
		}
		if !again || try == retries {
			return nil, err
		}
		select {
		case <-time.After(c.pause << try):
		case <-ctx.Done():
			return nil, c.ended(ctx)
		}
	}
}

func (c *Client) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the server took longer than %v", c.timeout)
	}
	return ctx.Err()
}

func (c *Client) once(ctx context.Context, u *url.URL, limit int64) (data []byte, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("User-Agent", "modhash")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	res, err := c.http.Do(req)
	if err != nil {
		var certificate *tls.CertificateVerificationError
		return nil, !errors.Is(err, ErrRedirect) && !errors.As(err, &certificate), bare(err)
	}
	defer res.Body.Close() // it was read, or is not wanted
	if res.StatusCode == http.StatusNotFound {
		return nil, false, ErrNone
	}
	if res.StatusCode != http.StatusOK {
		return nil, res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500, fmt.Errorf("the server answers with status %d", res.StatusCode)
	}
	if enc := res.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, false, fmt.Errorf("the server compresses its answer (%.20q), which was not asked for", enc)
	}
	data, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case int64(len(data)) > limit:
		return nil, false, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	case err != nil:
		return nil, true, err
	}
	return data, false, nil
}

// bare drops the method and the address, which the caller tells.
func bare(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
