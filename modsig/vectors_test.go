// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/modhash/modhash/modsig/trailer"
)

const vectorFolder = "../testdata/vectors/signing/"

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(vectorFolder + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The kernels of kernel-results.tsv, as their configuration was: neither has
// ML-DSA, SM3 or the GOST algorithms, and 7.2 has SHA-3 as a module.
var (
	kernel6_12 = Kernel{Major: 6, Minor: 12, Has: func(a string) bool {
		return hashes[a] != 0 || a == "rsa" || strings.HasPrefix(a, "ecdsa-")
	}}
	kernel7_2 = Kernel{Major: 7, Minor: 2, Has: func(a string) bool {
		return !strings.HasPrefix(a, "sha3-") && kernel6_12.Has(a)
	}}
)

// keyring trusts what the kernels of kernel-results.tsv had built in.
func keyring(t testing.TB, k Kernel) *Keyring {
	t.Helper()
	r := NewKeyring(k)
	for _, name := range []string{"rsa2048", "ecp384", "mldsa44", "mldsa65", "mldsa87"} {
		if _, err := r.Add(vector(t, name+".der")); err != nil && !strings.HasPrefix(name, "mldsa") {
			t.Fatal(err)
		}
	}
	return r
}

// signatureCheck is what the kernel's module_sig_check answers: "" for a valid
// signature, ENODATA for none. It works on the raw bytes, because the kernel
// looks at some fields before others.
func signatureCheck(r *Keyring, file []byte) Errno {
	n := len(file) - len(trailer.Marker)
	if n <= 0 || string(file[n:]) != trailer.Marker {
		return "ENODATA"
	}
	if n <= trailer.BlockSize {
		return EBADMSG
	}
	block := file[n-trailer.BlockSize : n]
	n -= trailer.BlockSize
	size := uint64(binary.BigEndian.Uint32(block[8:]))
	switch {
	case size >= uint64(n):
		return EBADMSG
	case block[2] != 2:
		return ENOPKG
	case !bytes.Equal(block[:8], []byte{2: 2, 7: 0}):
		return EBADMSG
	}
	payload, der := file[:n-int(size)], file[n-int(size):n]
	_, err := r.Check(der, NewPayload(bytes.NewReader(payload), int64(len(payload))))
	if err == nil {
		return success
	}
	if e := errnoOf(err); e != success {
		return e
	}
	return Errno("not a refusal: " + err.Error())
}

// load is the errno of finit_module in one of the three modes of
// kernel-results.tsv. ENOEXEC is what a kernel answers when the signature let
// the file through, because no payload is an ELF file.
func load(e Errno, mode string) string {
	switch e {
	case success:
		return "ENOEXEC"
	case "ENODATA", ENOKEY, ENOPKG:
		return map[string]string{"perm": "ENOEXEC", "enf": "EKEYREJECTED", "lock": "EPERM"}[mode]
	}
	return string(e)
}

func TestKernelResults(t *testing.T) {
	rings := map[string]*Keyring{"6.12": keyring(t, kernel6_12), "7.2": keyring(t, kernel7_2)}
	rows := strings.Split(strings.TrimSpace(string(vector(t, "kernel-results.tsv"))), "\n")
	header := strings.Split(rows[0], "\t")
	checked := 0
	for _, row := range rows[1:] {
		cols := strings.Split(row, "\t")
		file := vector(t, cols[0])
		for i, want := range cols[1:] {
			if want == "-" {
				continue
			}
			dot := strings.LastIndexByte(header[i+1], '.')
			version, mode := header[i+1][:dot], header[i+1][dot+1:]
			checked++
			if got := load(signatureCheck(rings[version], file), mode); got != want {
				t.Errorf("%s, %s: %s, the kernel answered %s", cols[0], header[i+1], got, want)
			}
		}
	}
	if checked < 400 {
		t.Errorf("only %d answers compared", checked)
	}
}

// TestConcurrent: one keyring and one message serve many at a time.
func TestConcurrent(t *testing.T) {
	ring := keyring(t, kernel7_2)
	payload, der := signedFile(t, "cases/c01-cert-included")
	m, err := ring.Kernel().ParseMessage(der)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := ring.Verify(m, payloadOf(payload)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
