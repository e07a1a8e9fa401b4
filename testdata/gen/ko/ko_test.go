// SPDX-License-Identifier: Apache-2.0

package ko

import (
	"bytes"
	"debug/elf"
	"os"
	"strings"
	"testing"
)

// TestELF reads what Bytes makes with another ELF reader.
func TestELF(t *testing.T) {
	for _, m := range []Module{
		{Name: "a"}, {Name: "b", Bits: 32, Machine: 40}, {Name: "c", Big: true, Machine: 22}, {Name: "d", Bits: 32, Big: true, Machine: 20},
	} {
		f, err := elf.NewFile(bytes.NewReader(m.Bytes()))
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		b, err := f.Section(".modinfo").Data()
		if err != nil || !strings.Contains(string(b), "vermagic=6.12.0-sample SMP") {
			t.Errorf("%s: modinfo %q, %v", m.Name, b, err)
		}
	}
}

// TestSign compares with the CMS message that the kernel's sign-file made from
// the same key and payload.
func TestSign(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("../../vectors/signing/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k, err := ParseKey(read("rsa2048.key"), read("rsa2048.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(k.Sign(read("payload.bin")), read("rsa2048.sha256.signed")) {
		t.Error("not what sign-file writes")
	}
}
