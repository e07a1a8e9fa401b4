// SPDX-License-Identifier: Apache-2.0

// Command intoto lets in-toto-golang, the reference implementation of in-toto in
// Go, judge links. It is a module of its own, so that what that library needs is
// no need of modhash.
//
//	intoto verify PUBLIC-KEY FILE LINK...   one line each: "yes LINK" if the key
//	                                        has signed it and FILE is the product
//	intoto sign SEED FILE MATERIAL OUT      a link about FILE; OUT.pub is the key
//	intoto statement PUBLIC-KEY FILE LINK   is LINK DSSE around a valid Statement?
//	intoto mutate LINK DIR N                N changed links, the same each time
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	statement "github.com/in-toto/attestation/go/v1"
	"github.com/in-toto/in-toto-golang/in_toto"
	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	args := os.Args[1:]
	if len(args) == 0 {
		fail(errors.New("verify, sign, statement or mutate?"))
	}
	verbs := map[string]func([]string) error{"verify": verify, "sign": sign, "statement": checkStatement, "mutate": mutate}
	if verbs[args[0]] == nil || len(args) < 4 {
		fail(fmt.Errorf("usage of %s: see the source", args[0]))
	}
	if err := verbs[args[0]](args[1:]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "intoto:", err)
	os.Exit(2)
}

// key makes a key of the library. Its own reader does not take keys with NULL
// parameters.
func key(public, private []byte) (in_toto.Key, error) {
	k := in_toto.Key{
		KeyType: "ed25519", Scheme: "ed25519", KeyIDHashAlgorithms: []string{"sha256", "sha512"},
		KeyVal: in_toto.KeyVal{Public: hex.EncodeToString(public)},
	}
	canonical, err := cjson.EncodeCanonical(map[string]any{
		"keytype": k.KeyType, "scheme": k.Scheme, "keyid_hash_algorithms": k.KeyIDHashAlgorithms, "keyval": map[string]string{"public": k.KeyVal.Public},
	})
	id := sha256.Sum256(canonical)
	k.KeyID = hex.EncodeToString(id[:])
	k.KeyVal.Private = hex.EncodeToString(private)
	return k, err
}

func publicKey(path string) (in_toto.Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return in_toto.Key{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil || len(block.Bytes) < ed25519.PublicKeySize {
		return in_toto.Key{}, fmt.Errorf("%s holds no key", path)
	}
	return key(block.Bytes[len(block.Bytes)-ed25519.PublicKeySize:], nil)
}

func digests(path string) (in_toto.HashObj, error) {
	data, err := os.ReadFile(path)
	a, b := sha256.Sum256(data), sha512.Sum512(data)
	return in_toto.HashObj{"sha256": hex.EncodeToString(a[:]), "sha512": hex.EncodeToString(b[:])}, err
}

func verify(args []string) error {
	k, err := publicKey(args[0])
	if err != nil {
		return err
	}
	file, err := digests(args[1])
	if err != nil {
		return err
	}
	for _, path := range args[2:] {
		word := "yes"
		if err := verifyOne(path, k, file["sha256"]); err != nil {
			word = "no"
		}
		fmt.Println(word, path)
	}
	return nil
}

func verifyOne(path string, k in_toto.Key, want string) error {
	meta, err := in_toto.LoadMetadata(path)
	if err != nil {
		return err
	}
	if mb, ok := meta.(*in_toto.Metablock); ok {
		if err := in_toto.ValidateMetablock(*mb); err != nil {
			return err
		}
	}
	if err := meta.VerifySignature(k); err != nil {
		return err
	}
	link, ok := meta.GetPayload().(in_toto.Link)
	if !ok {
		return errors.New("no link")
	}
	for _, p := range link.Products {
		if p["sha256"] == want {
			return nil
		}
	}
	return errors.New("another file")
}

func sign(args []string) error {
	seed := sha256.Sum256([]byte(args[0]))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := private.Public().(ed25519.PublicKey)
	k, err := key(public, seed[:])
	if err != nil {
		return err
	}
	product, err := digests(args[1])
	if err != nil {
		return err
	}
	material, err := digests(args[2])
	if err != nil {
		return err
	}
	out, name := args[3], filepath.Base(args[1])
	link := in_toto.Link{
		Type: "link", Name: "rebuild " + name, Command: []string{}, ByProducts: map[string]any{},
		Products:  map[string]in_toto.HashObj{name: product},
		Materials: map[string]in_toto.HashObj{filepath.Base(args[2]): material},
	}
	mb := &in_toto.Metablock{Signed: link}
	if err := mb.Sign(k); err != nil {
		return err
	}
	if err := mb.Dump(out); err != nil {
		return err
	}
	spki := append([]byte{0x30, 0x2c, 0x30, 7, 6, 3, 0x2b, 0x65, 0x70, 5, 0, 3, 0x21, 0}, public...)
	return os.WriteFile(out+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), 0o644)
}

// checkStatement verifies an envelope with the DSSE library, and the Statement in
// it with the attestation framework's.
func checkStatement(args []string) error {
	k, err := publicKey(args[0])
	if err != nil {
		return err
	}
	file, err := digests(args[1])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	var env dsse.Envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return err
	}
	sv, err := signerverifier.NewED25519SignerVerifierFromSSLibKey(&signerverifier.SSLibKey{
		KeyType: k.KeyType, Scheme: k.Scheme, KeyIDHashAlgorithms: k.KeyIDHashAlgorithms, KeyID: k.KeyID, KeyVal: signerverifier.KeyVal{Public: k.KeyVal.Public},
	})
	if err != nil {
		return err
	}
	verifier, err := dsse.NewEnvelopeVerifier(sv)
	if err != nil {
		return err
	}
	_, body, err := verifier.VerifyAndDecode(context.Background(), &env)
	if err != nil {
		return err
	}
	var st statement.Statement
	if err := protojson.Unmarshal(body, &st); err != nil {
		return err
	}
	if err := st.Validate(); err != nil {
		return err
	}
	s := st.Subject[0]
	if s.Digest["sha256"] != file["sha256"] || s.Name != filepath.Base(args[1]) {
		return fmt.Errorf("the subject is %s", s)
	}
	a := s.Annotations.GetFields()
	fmt.Println(st.PredicateType, s.Name, a["name"].GetStringValue(), a["version"].GetStringValue(), a["architecture"].GetStringValue())
	return nil
}

// mutate writes changed links. Some mean the same: they have blanks, or their
// keys in another order.
func mutate(args []string) error {
	link, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	m := newMutator(bytes.TrimSpace(link))
	for i := range n {
		name, changed := m.next(i)
		if err := os.WriteFile(filepath.Join(args[1], fmt.Sprintf("%05d-%s.link", i, name)), changed, 0o644); err != nil {
			return err
		}
	}
	return nil
}
