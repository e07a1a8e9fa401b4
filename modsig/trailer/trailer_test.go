// SPDX-License-Identifier: Apache-2.0

package trailer

import (
	"bytes"
	"strings"
	"testing"
)

func block(typ Type, sigLen uint32, edit func(*Block)) string {
	k := Block{Type: typ, SigLen: sigLen}
	if edit != nil {
		edit(&k)
	}
	return string(k.AppendTo(nil))
}

func split(t testing.TB, s string) Trailer {
	t.Helper()
	got, err := Split(strings.NewReader(s), int64(len(s)))
	if err != nil {
		t.Fatalf("Split: %v", err)
	}
	return got
}

func TestMarker(t *testing.T) {
	if len(Marker) != 28 {
		t.Fatalf("marker has %d bytes, want 28", len(Marker))
	}
}

func TestSplit(t *testing.T) {
	const pay, sig = "PAYLOAD", "SIGNATURE"
	n := uint32(len(sig))
	legacy := func(k *Block) { k.SignerLen, k.KeyIDLen, k.Algo, k.Hash = 3, 4, 1, 4 }
	tests := []struct {
		name, file string
		state      State
		payload    int // -1: the whole file
		reason     string
	}{
		{"empty", "", None, -1, ""},
		{"plain", pay, None, -1, ""},
		{"pkcs7", pay + sig + block(PKCS7, n, nil) + Marker, Valid, len(pay), ""},
		{"merkle", pay + sig + block(Merkle, n, nil) + Marker, Valid, len(pay), ""},
		{"no signature bytes", pay + block(PKCS7, 0, nil) + Marker, Valid, len(pay), ""},
		{"one byte of payload", "P" + sig + block(PKCS7, n, nil) + Marker, Valid, 1, ""},
		{"x509", pay + "SIGKEYI" + sig + block(X509, n, legacy) + Marker, Valid, len(pay), ""},
		{"pgp", pay + "SIGKEYI" + sig + block(PGP, n, legacy) + Marker, Valid, len(pay), ""},
		{"x509 fills the file", "SIGKEYI" + sig + block(X509, n, legacy) + Marker, Malformed, -1, "add up to 16"},
		{"x509 leaves one byte", "PSIGKEYI" + sig + block(X509, n, legacy) + Marker, Valid, 1, ""},
		{"zeros before the marker", pay + strings.Repeat("\x00", 12) + Marker, Malformed, -1, "signature length 0"},
		{"x509 of two bytes", pay + "SIGKEYI" + "xx" + block(X509, 2, legacy) + Marker, Malformed, -1, "signature length 2"},
		{"no payload", sig + block(PKCS7, n, nil) + Marker, Malformed, -1, "signature length 9, but 9 bytes"},
		{"length too large", pay + block(PKCS7, 0xffffffff, nil) + Marker, Malformed, -1, "signature length 4294967295"},
		{"block only", block(PKCS7, 0, nil) + Marker, Malformed, -1, "0 bytes precede"},
		{"eleven bytes", strings.Repeat("x", 11) + Marker, Malformed, -1, "11 bytes before"},
		{"marker only", Marker, Malformed, -1, "0 bytes before"},
		{"marker less its first byte", Marker[1:], None, -1, ""},
		{"type 4", pay + sig + block(4, n, nil) + Marker, Malformed, -1, "unknown signature type 4"},
		{"line feed after", pay + sig + block(PKCS7, n, nil) + Marker + "\n", Junk, -1, "1 bytes follow"},
		{"last byte cut", pay + sig + block(PKCS7, n, nil) + Marker[:27], None, -1, ""},
		{"36 bytes after", pay + Marker + strings.Repeat("x", 36), Junk, -1, "36 bytes follow"},
		{"37 bytes after", pay + Marker + strings.Repeat("x", 37), None, -1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := int64(tt.payload)
			if want < 0 {
				want = int64(len(tt.file))
			}
			got := split(t, tt.file)
			if got.State != tt.state || got.Payload != want || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("got %v, payload %d, %q; want %v, payload %d, %q", got.State, got.Payload, got.Reason, tt.state, want, tt.reason)
			}
			if (got.Reason == "") != (got.State == None || got.State == Valid) {
				t.Errorf("state %v with reason %q", got.State, got.Reason)
			}
			if got.State == Valid {
				if got.Payload+got.Len() != int64(len(tt.file)) {
					t.Errorf("payload %d and trailer %d do not add up to %d", got.Payload, got.Len(), len(tt.file))
				}
				if s := tt.file[got.SignatureOffset():][:got.Block.SigLen]; s != sig[:len(s)] {
					t.Errorf("signature data %q", s)
				}
			}
		})
	}
}

// TestZeroFields sets every byte of the block that must be zero.
func TestZeroFields(t *testing.T) {
	for _, typ := range []Type{PKCS7, Merkle} {
		file := []byte("PAYLOAD" + "SIGNATURE" + block(typ, 9, nil) + Marker)
		at := len(file) - len(Marker) - BlockSize
		for _, i := range []int{0, 1, 3, 4, 5, 6, 7} {
			for bit := range 8 {
				f := bytes.Clone(file)
				f[at+i] ^= 1 << bit
				if got := split(t, string(f)); got.State != Malformed {
					t.Errorf("%v: byte %d bit %d: %v, want malformed", typ, i, bit, got.State)
				}
			}
		}
	}
}

// TestFlip flips every bit of block and marker and compares with the kernel's
// rules, written down a second time here.
func TestFlip(t *testing.T) {
	const pay = 300
	for _, typ := range []Type{PGP, X509, PKCS7, Merkle} {
		file := []byte(strings.Repeat("p", pay) + "SIGNATURE" + block(typ, 9, nil) + Marker)
		at := len(file) - len(Marker) - BlockSize
		for i := at; i < len(file); i++ {
			for bit := range 8 {
				f := bytes.Clone(file)
				f[i] ^= 1 << bit
				got := split(t, string(f))
				state, payload := kernelSplit(f)
				if got.State != state || got.Payload != payload {
					t.Errorf("%v: offset %d bit %d: %v, %d; want %v, %d", typ, i-at, bit, got.State, got.Payload, state, payload)
				}
			}
		}
	}
}

func kernelSplit(f []byte) (State, int64) {
	whole := int64(len(f))
	if !bytes.HasSuffix(f, []byte("~Module signature appended~\n")) {
		return None, whole
	}
	b := f[len(f)-40:][:12]
	sigLen := int64(b[8])<<24 | int64(b[9])<<16 | int64(b[10])<<8 | int64(b[11])
	rest := whole - 40
	switch b[2] {
	case 2, 3:
		for _, i := range []int{0, 1, 3, 4, 5, 6, 7} {
			if b[i] != 0 {
				return Malformed, whole
			}
		}
		if sigLen >= rest {
			return Malformed, whole
		}
		return Valid, rest - sigLen
	case 0, 1:
		// Linux 3.7: each test leaves at least one byte, and the signature
		// starts with its length in two bytes.
		if sigLen <= 2 || sigLen >= rest || int64(b[3])+int64(b[4]) >= rest-sigLen {
			return Malformed, whole
		}
		return Valid, rest - sigLen - int64(b[3]) - int64(b[4])
	}
	return Malformed, whole
}

func TestStacked(t *testing.T) {
	one := Append([]byte("PAYLOAD"), []byte("SIG"), PKCS7)
	two := string(Append(bytes.Clone(one), []byte("PROOF"), Merkle))
	got := split(t, two)
	if got.State != Valid || got.Payload != int64(len(one)) {
		t.Fatalf("outer trailer: %+v", got)
	}
	if in, err := EndsInMarker(strings.NewReader(two), got.Payload); !in || err != nil {
		t.Errorf("payload with a trailer: %v, %v", in, err)
	}
	if in, err := EndsInMarker(strings.NewReader(two), 7); in || err != nil {
		t.Errorf("payload without a trailer: %v, %v", in, err)
	}
}

func TestSplitErrors(t *testing.T) {
	if _, err := Split(strings.NewReader("x"), -1); err == nil {
		t.Error("negative size: no error")
	}
	if _, err := Split(strings.NewReader("short"), 100); err == nil {
		t.Error("size above what the reader holds: no error")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("PAYLOAD"))
	f.Add(Append([]byte("PAYLOAD"), []byte("SIG"), PKCS7))
	f.Add(Append(Append([]byte("PAYLOAD"), []byte("SIG"), PKCS7), make([]byte, 68), Merkle))
	f.Add([]byte("PAYLOADSKI" + "SIG" + block(X509, 3, func(k *Block) { k.SignerLen, k.KeyIDLen = 1, 2 }) + Marker))
	f.Add([]byte(Marker))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Split(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		switch got.State {
		case Valid:
			if got.Payload < 1 || got.Payload+got.Len() != int64(len(data)) {
				t.Fatalf("payload %d, trailer %d, file %d", got.Payload, got.Len(), len(data))
			}
			if got.Block.Type >= PKCS7 {
				sig := data[got.SignatureOffset():][:got.Block.SigLen]
				again := Append(bytes.Clone(data[:got.Payload]), sig, got.Block.Type)
				if !bytes.Equal(again, data) {
					t.Fatal("split and append do not give the same file")
				}
			}
		default:
			if got.Payload != int64(len(data)) || got.Len() != 0 {
				t.Fatalf("state %v with payload %d of %d", got.State, got.Payload, len(data))
			}
		}
	})
}
