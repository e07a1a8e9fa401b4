// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// maxAnswer is the length in bytes of the longest line that is read from a
// program: a certificate, in base64.
const maxAnswer = 128 << 10

// AnswerError is what a program answered in place of a signature.
type AnswerError struct{ Text string }

func (e *AnswerError) Error() string { return "the program answered: " + e.Text }

func openExec(ctx context.Context, words string, cert []byte, o *Options) (*Key, error) {
	p, err := execPrograms(ctx, words, o)
	if err != nil {
		return nil, err
	}
	return p.openKey(cert)
}

func execPrograms(ctx context.Context, words string, o *Options) (*programs, error) {
	argv, err := execWords(words)
	if err != nil {
		return nil, fmt.Errorf("key exec: %w", err)
	}
	return newPrograms(ctx, "exec:"+argv[0], argv, o.Processes, o)
}

// newPrograms makes the processes of a key, n at most. None runs yet.
func newPrograms(ctx context.Context, name string, argv []string, n int, o *Options) (*programs, error) {
	if o.Start == nil {
		return nil, fmt.Errorf("key %s: programs cannot be run here", name)
	}
	return &programs{
		ctx: ctx, name: name, start: o.Start, argv: argv,
		slots: make(chan struct{}, max(1, n)), first: make(chan struct{}, 1), signed: make(chan struct{}),
	}, nil
}

func (p *programs) openKey(cert []byte) (*Key, error) {
	k, err := p.open(cert)
	if err != nil {
		_ = p.close() // what went wrong is known
		return nil, fmt.Errorf("key %s: %w", p.name, err)
	}
	return k, nil
}

func (p *programs) open(cert []byte) (k *Key, err error) {
	if p.hello != nil {
		if err := p.hello(p); err != nil {
			return nil, err
		}
	}
	if cert == nil {
		if cert, err = p.certificate(); err != nil {
			return nil, err
		}
	}
	sk, err := newRemote(p.ctx, cert, p.sign)
	if err != nil {
		return nil, err
	}
	return &Key{SigningKey: sk, close: p.close}, nil
}

// execWords takes an exec: name apart.
func execWords(s string) ([]string, error) {
	words := strings.Split(s, " ")
	for i, w := range words {
		if w == "" {
			return nil, errors.New("want a program and its arguments, with single blanks between them")
		}
		word, err := url.PathUnescape(w)
		if err != nil || strings.Contains(word, "\x00") {
			return nil, fmt.Errorf("word %d: a percent sign stands before two hex digits, not both 0", i+1)
		}
		words[i] = word
	}
	return words, nil
}

// programs are the running processes of one key.
type programs struct {
	ctx   context.Context
	name  string // for errors
	start func(context.Context, []string) (io.ReadWriteCloser, error)
	argv  []string
	hello func(*programs) error // what is said first; nil: nothing
	slots chan struct{}         // one element for each request that is being served

	first  chan struct{} // holds an element while somebody is served alone
	signed chan struct{} // closed when a process has signed
	once   sync.Once

	mu     sync.Mutex
	idle   []*process
	failed error // the first error; there are no requests after it
}

type process struct {
	io.ReadWriteCloser
	in *bufio.Reader
}

// enter waits for its turn: until one process has signed, requests come one by
// one, so that a wrong PIN is not tried by several. After an error none comes.
func (p *programs) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case p.first <- struct{}{}:
	case <-p.signed:
	case <-ctx.Done():
		<-p.slots
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		p.leave()
		return p.failed
	}
	return nil
}

// leave ends a turn. The next alone may begin if there still is to be one.
func (p *programs) leave() {
	select {
	case <-p.first:
	default: // since a process has signed, they are not one by one
	}
	<-p.slots
}

// ask sends a request and returns the first word of the answer, which is one of
// words, and the rest.
func (p *programs) ask(ctx context.Context, request string, words ...string) (word, rest string, err error) {
	if err := p.enter(ctx); err != nil {
		return "", "", err
	}
	defer func() {
		p.mu.Lock()
		switch {
		case err != nil && p.failed == nil:
			p.failed = err
		case err == nil && word == "signature":
			p.once.Do(func() { close(p.signed) })
		}
		p.mu.Unlock()
		p.leave()
	}()
	proc, err := p.take(ctx)
	if err != nil {
		return "", "", err
	}
	line, err := proc.ask(request)
	if err != nil {
		if cerr := proc.Close(); cerr != nil {
			err = fmt.Errorf("%w (%w)", err, cerr)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", "", err
	}
	p.mu.Lock()
	p.idle = append(p.idle, proc)
	p.mu.Unlock()
	word, rest, _ = strings.Cut(line, " ")
	switch {
	case word == "error":
		return "", "", &AnswerError{Text: rest[:min(len(rest), 500)]}
	case !slices.Contains(words, word):
		return "", "", fmt.Errorf("the program answered %.20q where it can answer %s", word, strings.Join(words, " or "))
	}
	if word == "certificate" || word == "signature" || word == "public" {
		data, err := decode(rest)
		return word, string(data), err
	}
	return word, rest, nil
}

// take returns an idle process or starts one.
func (p *programs) take(ctx context.Context) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		proc := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return proc, nil
	}
	rw, err := p.start(ctx, p.argv)
	if err != nil {
		return nil, fmt.Errorf("starting the program: %w", err)
	}
	return &process{rw, bufio.NewReader(rw)}, nil
}

func (p *process) ask(request string) (string, error) {
	if _, err := io.WriteString(p, request+"\n"); err != nil {
		return "", fmt.Errorf("the program does not take requests: %w", err)
	}
	var line []byte
	for {
		part, err := p.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxAnswer:
			return "", fmt.Errorf("the program answered with more than %d bytes", maxAnswer)
		case err == nil:
			return string(line[:len(line)-1]), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", errors.New("the program ended without an answer")
		}
	}
}

// certificate asks for the key's certificate.
func (p *programs) certificate() ([]byte, error) {
	word, der, err := p.ask(p.ctx, "certificate", "certificate", "none")
	switch {
	case err != nil:
		return nil, err
	case word == "none":
		return nil, ErrNoCertificate
	}
	return []byte(der), nil
}

func (p *programs) sign(ctx context.Context, algorithm, hash string, data []byte) ([]byte, error) {
	_, value, err := p.ask(ctx, "sign "+algorithm+" "+hash+" "+base64.StdEncoding.EncodeToString(data), "signature")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return []byte(value), nil
}

func decode(s string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("the program's answer is not in base64")
	}
	return b, nil
}

// close ends the processes. Nobody may sign meanwhile.
func (p *programs) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, proc := range p.idle {
		errs = append(errs, proc.Close())
	}
	p.idle = nil
	return errors.Join(errs...)
}
