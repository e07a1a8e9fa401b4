// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"testing"
)

// FuzzMessage: an error or a message, and never both or none; a message that is
// valid names a key of the ring, and is not valid for another payload.
func FuzzMessage(f *testing.F) {
	for _, s := range oracleSeeds(f) {
		f.Add(s.der)
	}
	for _, name := range []string{"44", "65", "87"} {
		_, der := signedFile(f, "signed/mldsa"+name+".attrs.signed")
		f.Add(der)
	}
	payload := vector(f, "cases/00-payload")
	other := append(bytes.Clone(payload), 0)
	rings := []*Keyring{keyring(f, kernel6_12), keyring(f, kernel7_2), keyring(f, Kernel{WaivesAttributes: true})}
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, r := range rings {
			m, err := r.Kernel().ParseMessage(der)
			if (m == nil) != (err != nil) || err != nil && errnoOf(err) == success {
				t.Fatalf("%v with error %v", m, err)
			}
			if m == nil {
				continue
			}
			if len(m.Signers) == 0 || m.Extra < 0 || m.Extra > len(der) || m.Signers[0].String() == "" {
				t.Fatalf("%+v", m)
			}
			key, err := r.Verify(m, payloadOf(payload))
			if err != nil {
				if errnoOf(err) == success || key != nil {
					t.Fatalf("%v with error %v", key, err)
				}
				continue
			}
			if key == nil || !bytes.Contains(der, key.id[:len(key.serial.b)]) && !bytes.Contains(der, key.KeyID) {
				t.Fatalf("valid with key %v, which the message does not name", key)
			}
			if _, err := r.Verify(m, payloadOf(other)); err == nil {
				t.Fatal("valid for two payloads")
			}
		}
	})
}

// FuzzKey: whatever is read has the fields that a keyring needs, and a key that
// signed its own certificate says so.
func FuzzKey(f *testing.F) {
	for _, name := range []string{"rsa2048", "ecp384", "mldsa44", "mldsa65", "mldsa87", "unknown"} {
		f.Add(vector(f, name+".der"))
	}
	for _, s := range oracleSeeds(f) {
		if m, err := (&Kernel{}).ParseMessage(s.der); err == nil {
			for _, key := range m.Keys {
				f.Add(key.Raw)
			}
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, k := range []Kernel{{}, {Major: 6, Minor: 1}} {
			key, err := k.ParseKey(der)
			if (key == nil) != (err != nil) || err != nil && errnoOf(err) == success {
				t.Fatalf("%v with error %v", key, err)
			}
			if key == nil {
				continue
			}
			if len(key.Raw) > len(der) || key.Serial == nil || key.Algorithm == "" || key.tbs == nil || key.sig.s == nil {
				t.Fatalf("%+v", key)
			}
			if again, err := k.ParseKey(key.Raw); err != nil || again.Description() != key.Description() {
				t.Fatalf("%v, %v", again, err)
			}
		}
	})
}
