// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/modhash/modhash/modsig"
)

// program is one that answers in this process.
type program struct {
	answer func(request []string) string // "" ends the program

	mu       sync.Mutex
	argv     []string
	started  int
	running  int
	most     int
	requests []string
}

type pipes struct {
	io.Reader
	io.WriteCloser
	done chan struct{}
}

func (p *pipes) Close() error {
	err := p.WriteCloser.Close()
	<-p.done
	return err
}

func (p *program) start(ctx context.Context, argv []string) (io.ReadWriteCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.argv = argv
	p.started++
	p.running++
	p.most = max(p.most, p.running)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { outW.CloseWithError(io.EOF); inR.CloseWithError(io.EOF) })
	go func() {
		defer close(done)
		defer stop()
		in := bufio.NewScanner(inR)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			p.mu.Lock()
			p.requests = append(p.requests, in.Text())
			p.mu.Unlock()
			a := p.answer(strings.Split(in.Text(), " "))
			if a == "" {
				break
			}
			if _, err := io.WriteString(outW, a); err != nil || !strings.HasSuffix(a, "\n") {
				break
			}
		}
		outW.Close()
		inR.Close()
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
	}()
	return &pipes{outR, inW, done}, nil
}

// holder answers with the key in a file, as sign-file would have it.
func holder(t *testing.T, name string, change func(*ecdsa.PrivateKey, []byte) []byte) *program {
	t.Helper()
	signer, _, err := parseKey(read(t, vectors+name+".key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &program{answer: func(request []string) string {
		if request[0] == "certificate" {
			return "certificate " + base64.StdEncoding.EncodeToString(read(t, vectors+name+".der")) + "\n"
		}
		data, err := base64.StdEncoding.DecodeString(request[3])
		if err != nil {
			t.Error(err)
		}
		h, _ := ParseHash(request[2])
		value, err := signer.Sign(rand.Reader, data, h)
		if err != nil {
			t.Error(err)
		}
		if ec, ok := signer.(*ecdsa.PrivateKey); ok && change != nil {
			value = change(ec, value)
		}
		return "signature " + base64.StdEncoding.EncodeToString(value) + "\n"
	}}
}

func sign(k *Key, payload string) ([]byte, error) {
	return k.Sign(modsig.NewPayload(strings.NewReader(payload), int64(len(payload))), modsig.SignOptions{Hash: crypto.SHA256})
}

// TestExec signs with every kind of key by a program, with and without its
// certificate.
func TestExec(t *testing.T) {
	for name, algorithm := range map[string]string{"rsa2048": "rsa sha256", "ecp384": "ecdsa sha256", "mldsa44": "mldsa44 none", "mldsa87": "mldsa87 none"} {
		for _, cert := range [][]byte{nil, read(t, vectors+name+".der")} {
			p := holder(t, name, nil)
			k, err := Open(context.Background(), "exec:prog a%20b", cert, &Options{Start: p.start})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := sign(k, "payload"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := k.Close(); err != nil || p.running != 0 {
				t.Errorf("%s: %v, %d running", name, err, p.running)
			}
			if p.started != 1 || len(p.argv) != 2 || p.argv[1] != "a b" {
				t.Errorf("%s: started %d times with %q", name, p.started, p.argv)
			}
			if last := p.requests[len(p.requests)-1]; !strings.HasPrefix(last, "sign "+algorithm+" ") {
				t.Errorf("%s: %q", name, last)
			}
			if want := map[bool]int{true: 4, false: 3}[cert == nil]; len(p.requests) != want {
				t.Errorf("%s: requests %q", name, p.requests)
			}
			if k.Deterministic() != (name == "rsa2048") {
				t.Errorf("%s: deterministic", name)
			}
		}
	}
}

// raw writes r and s one behind the other, each as long as size; 0: without
// leading zeros.
func raw(t *testing.T, der []byte, size int) []byte {
	var n struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &n); err != nil {
		t.Error(err)
	}
	if size == 0 {
		return append(n.R.Bytes(), n.S.Bytes()...)
	}
	return append(n.R.FillBytes(make([]byte, size)), n.S.FillBytes(make([]byte, size))...)
}

// TestECDSAValues: what tokens write is brought into form, whichever half is
// short; anything else is refused.
func TestECDSAValues(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		// A fixed key and nonces of RFC 6979: the same values every time.
		size := (curve.Params().BitSize + 7) / 8
		scalar := bytes.Repeat([]byte{0x2a}, size)
		scalar[0] = 0
		key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
		if err != nil {
			t.Fatal(err)
		}
		short := 0
		for i := 0; i < 2000 && (short < 2 || i < 20); i++ {
			digest := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
			der, err := key.Sign(nil, digest[:], crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			unpadded := raw(t, der, 0)
			if len(unpadded) < 2*size {
				short++
			}
			for _, value := range [][]byte{der, raw(t, der, size), unpadded} {
				got, err := ecdsaValue(&key.PublicKey, digest[:], value)
				if err != nil || !bytes.Equal(got, der) {
					t.Fatalf("%s, %x: %v", curve.Params().Name, value, err)
				}
			}
			if i > 2 {
				continue
			}
			digest[0] ^= 1
			for _, value := range [][]byte{der, raw(t, der, size), unpadded, nil, {1}, der[:8], append(der, 0)} {
				if got, err := ecdsaValue(&key.PublicKey, digest[:], value); err == nil {
					t.Fatalf("%x became %x", value, got)
				}
			}
		}
		if short == 0 {
			t.Errorf("%s: no short value was seen", curve.Params().Name)
		}
	}
	p := holder(t, "ecp384", func(_ *ecdsa.PrivateKey, der []byte) []byte { return raw(t, der, 48) })
	k, err := Open(context.Background(), "exec:p", nil, &Options{Start: p.start})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := sign(k, "payload"); err != nil {
		t.Error(err)
	}
}

// TestExecErrors: after an error there is no other request, and none of several
// that wait is sent.
func TestExecErrors(t *testing.T) {
	cert := read(t, vectors+"ecp384.der")
	other := base64.StdEncoding.EncodeToString([]byte("no signature"))
	for answer, want := range map[string]string{
		"error wrong PIN\n":                   "the program answered: wrong PIN",
		"error\n":                             "the program answered",
		"":                                    "ended without an answer",
		"signature":                           "ended without an answer",
		"signature \n":                        "not in base64",
		"signature " + other + "=\n":          "not in base64",
		"signature " + other + "\n":           "does not verify",
		"certificate " + other + "\n":         `answered "certificate" where it can answer signature`,
		strings.Repeat("x", maxAnswer) + "\n": "more than",
		"error " + strings.Repeat("x", 1000) + "\n": strings.Repeat("x", 500),
	} {
		p := &program{answer: func([]string) string { return answer }}
		k, err := Open(context.Background(), "exec:prog -secret", cert, &Options{Start: p.start, Processes: 4})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := sign(k, "payload"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || len(err.Error()) > 700 {
					t.Errorf("%.40q: %v", answer, err)
				}
			})
		}
		wg.Wait()
		k.Close() // its error is that of the program
		if n := len(p.requests); n != 1 && want != "does not verify" {
			t.Errorf("%.40q: %d requests", answer, n)
		}
	}
	none := &program{answer: func([]string) string { return "none\n" }}
	if _, err := Open(context.Background(), "exec:p", nil, &Options{Start: none.start}); !errors.Is(err, ErrNoCertificate) || none.running != 0 {
		t.Error(err)
	}
	broken := func(context.Context, []string) (io.ReadWriteCloser, error) { return nil, errors.New("no such program") }
	if _, err := Open(context.Background(), "exec:p", nil, &Options{Start: broken}); err == nil || !strings.Contains(err.Error(), "no such program") {
		t.Error(err)
	}
}

// TestExecParallel: one process until the first signature, then as many as
// allowed.
func TestExecParallel(t *testing.T) {
	p := holder(t, "ecp384", nil)
	inner := p.answer
	var mu sync.Mutex
	first := true
	p.answer = func(r []string) string {
		mu.Lock()
		if first && p.most > 1 {
			t.Error("a second process before the first signature")
		}
		first = false
		mu.Unlock()
		return inner(r)
	}
	k, err := Open(context.Background(), "exec:p", read(t, vectors+"ecp384.der"), &Options{Start: p.start, Processes: 3})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if _, err := sign(k, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := k.Close(); err != nil || p.started > 3 || p.running != 0 || len(p.requests) != 60 {
		t.Errorf("%v, %d started, %d running, %d requests", err, p.started, p.running, len(p.requests))
	}
}

// TestToken: the PIN is asked for if the token wants one, tried once, and neither
// it nor the URI is an argument or in an error.
func TestToken(t *testing.T) {
	const uri = "pkcs11:token=T?pin-value=uri-secret"
	for _, c := range []struct {
		open, pin string // answers
		give      string
		want      string // error
		asked     int
	}{
		{"ok\n", "", "", "", 0},
		{"pin my token\n", "ok\n", "pin-secret", "", 1},
		{"pin my token\n", "error CKR_PIN_INCORRECT\n", "pin-secret", "CKR_PIN_INCORRECT", 1},
		{"pin my token\n", "", "", "there is no PIN", 1},
		{"error no such token\n", "", "", "no such token", 0},
		{"what\n", "", "", `answered "what" where it can answer ok or pin`, 0},
	} {
		p := holder(t, "rsa2048", nil)
		inner := p.answer
		p.answer = func(r []string) string {
			switch r[0] {
			case "open":
				return c.open
			case "pin":
				return c.pin
			}
			return inner(r)
		}
		pin := &pins{pin: c.give}
		k, err := Open(context.Background(), uri, nil, &Options{Start: p.start, Token: []string{"helper"}, PIN: pin.ask, Processes: 5})
		if pin.asked != c.asked || len(p.argv) != 1 || p.started != 1 {
			t.Errorf("%q: asked %d times, started %d with %q", c.open, pin.asked, p.started, p.argv)
		}
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") || p.running != 0 {
				t.Errorf("%q: %v, %d running", c.open, err, p.running)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sign(k, "payload"); err != nil {
			t.Error(err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if c.asked == 1 && p.requests[1] != "pin "+base64.StdEncoding.EncodeToString([]byte("pin-secret")) {
			t.Errorf("requests %q", p.requests)
		}
	}
	for _, o := range []*Options{{}, {Token: []string{"helper"}}} {
		if _, err := Open(context.Background(), uri, nil, o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	if _, err := Open(context.Background(), "pkcs11:a b\n", nil, &Options{Token: []string{"helper"}}); err == nil {
		t.Error("a URI with blanks was taken")
	}
}

// TestExecCanceled: a program that does not answer does not hold anybody.
func TestExecCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{answer: func([]string) string { cancel(); <-ctx.Done(); return "" }}
	k, err := Open(ctx, "exec:p", read(t, vectors+"ecp384.der"), &Options{Start: p.start})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign(k, "payload"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	k.Close()
}

func FuzzExecWords(f *testing.F) {
	f.Add("prog a%20b")
	f.Add("a  b%zz")
	f.Fuzz(func(t *testing.T, s string) {
		words, err := execWords(s)
		if (err == nil) != (len(words) > 0) {
			t.Errorf("%q, %v", words, err)
		}
		for _, w := range words {
			if strings.Contains(w, "\x00") || w == "" {
				t.Errorf("%q", words)
			}
		}
	})
}
