// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"crypto"
	"testing"
)

// BenchmarkCheck is the cost of a signature beyond digesting the payload.
func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"rsa2048.sha256", "ecp384.sha384", "mldsa65.noattr"} {
		b.Run(name, func(b *testing.B) {
			file := vector(b, "signed/"+name+".signed")
			payload := vector(b, "payload.bin")
			der := file[len(payload) : len(file)-40]
			ring := NewKeyring(Kernel{})
			for _, key := range []string{"rsa2048", "ecp384", "mldsa65"} {
				if _, err := ring.Add(vector(b, key+".der")); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.Check(der, payloadOf(payload)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, name := range []string{"rsa2048", "ecp384", "mldsa65"} {
		b.Run(name, func(b *testing.B) {
			s := signingKey(b, name)
			payload := vector(b, "payload.bin")
			for b.Loop() {
				if _, err := s.Sign(payloadOf(payload), SignOptions{Hash: crypto.SHA256}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
