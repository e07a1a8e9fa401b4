// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/pkcs11"
)

// curves are the lengths in bytes of the orders, by the DER of CKA_EC_PARAMS.
var curves = map[string]int{
	"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07": 32, // P-256
	"\x06\x05\x2b\x81\x04\x00\x22":             48, // P-384
	"\x06\x05\x2b\x81\x04\x00\x23":             66, // P-521
}

// ckmEdDSA is CKM_EDDSA of PKCS #11 3.0: without parameters pure, over the message.
const ckmEdDSA = 0x1057

// ckmMLDSA is CKM_ML_DSA of PKCS #11 3.2: pure, over the message.
const ckmMLDSA = 0x1d

// cryptoki is a session with a token.
type cryptoki struct {
	ctx     *pkcs11.Ctx
	module  string
	uri     *uri
	open    bool // C_Initialize was called
	slot    uint
	info    pkcs11.TokenInfo
	session pkcs11.SessionHandle

	key    pkcs11.ObjectHandle
	id     []byte
	name   string // CKA_LABEL
	always bool   // CKA_ALWAYS_AUTHENTICATE
	kept   []byte // the PIN, only for that
}

func openToken(module string, u *uri) (token, error) {
	ctx := pkcs11.New(module)
	if ctx == nil {
		return nil, fmt.Errorf("the module %s cannot be loaded; --pkcs11-module or PKCS11_MODULE_PATH names another", module)
	}
	t := &cryptoki{ctx: ctx, module: module, uri: u}
	if err := inTurn(module, t.connect); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// connect begins a session, from the beginning: SoftHSM looks for tokens only in
// C_Initialize. The error is a passing one if the token was not found.
func (t *cryptoki) connect() error {
	t.disconnect()
	if err := t.ctx.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return fmt.Errorf("module %s: %w", t.module, err)
	}
	t.open = true
	if err := t.findSlot(); err != nil {
		return err
	}
	var err error
	if t.session, err = t.ctx.OpenSession(t.slot, pkcs11.CKF_SERIAL_SESSION); err != nil {
		return passingError{fmt.Errorf("token %s: %w", t.label(), err)}
	}
	return nil
}

func (t *cryptoki) disconnect() {
	if t.session != 0 {
		_ = t.ctx.CloseSession(t.session) // it ends with the process anyway
	}
	if t.open {
		_ = t.ctx.Finalize()
	}
	t.session, t.open = 0, false
}

func is(err error, code uint) bool {
	var e pkcs11.Error
	return errors.As(err, &e) && uint(e) == code
}

// findSlot finds the one token that the URI names; the first one if it names none.
func (t *cryptoki) findSlot() error {
	slots, err := t.ctx.GetSlotList(true)
	if err != nil {
		return passingError{fmt.Errorf("listing the tokens: %w", err)}
	}
	var found, all []string
	for _, s := range slots {
		info, err := t.ctx.GetTokenInfo(s)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		slot, err := t.ctx.GetSlotInfo(s)
		if err != nil || ofSoftHSM(&info) && trim(info.SerialNumber) == "" { // it always has one
			continue
		}
		name := fmt.Sprintf("token=%s;serial=%s (slot %d)", trim(info.Label), trim(info.SerialNumber), s)
		all = append(all, name)
		if !t.matches(s, &info, &slot) {
			continue
		}
		if found = append(found, name); len(found) == 1 {
			t.slot, t.info = s, info
		}
	}
	switch {
	case len(found) == 0 && len(all) == 0:
		return passingError{errors.New("there is no token")}
	case len(found) == 0:
		return passingError{fmt.Errorf("no token is as the URI names it; there are %s", strings.Join(all, ", "))}
	case len(found) > 1 && t.uri.names():
		return fmt.Errorf("the URI names more than one token: %s", strings.Join(found, ", "))
	}
	return nil
}

// trim cuts the blanks that fixed fields are filled with.
func trim(s string) string { return strings.TrimRight(s, " \x00") }

func (t *cryptoki) matches(slot uint, info *pkcs11.TokenInfo, s *pkcs11.SlotInfo) bool {
	have := map[string]string{
		"token": info.Label, "manufacturer": info.ManufacturerID, "serial": info.SerialNumber, "model": info.Model,
		"slot-id": strconv.FormatUint(uint64(slot), 10), "slot-manufacturer": s.ManufacturerID, "slot-description": s.SlotDescription,
	}
	for name, value := range have {
		if want, ok := t.uri.path[name]; ok && trim(want) != trim(value) {
			return false
		}
	}
	return true
}

func (t *cryptoki) label() string { return trim(t.info.Label) }

func (t *cryptoki) needsLogin() bool { return t.info.Flags&pkcs11.CKF_LOGIN_REQUIRED != 0 }

// login lets the token compare the PIN once.
func (t *cryptoki) login(pin []byte) error {
	first := t.info
	err := inTurn(t.module, func() error {
		if err := t.reconnect(&first); err != nil {
			return err
		}
		if t.info.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0 {
			return errors.New("the token's PIN is locked")
		}
		err := t.ctx.Login(t.session, pkcs11.CKU_USER, string(pin))
		if err == nil || is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
			return nil
		}
		untried := t.untried(err)
		err = fmt.Errorf("token %s: %w", t.label(), err)
		if untried {
			t.disconnect()
			return passingError{err}
		}
		return err
	})
	if err == nil {
		t.kept = append([]byte(nil), pin...)
	}
	return err
}

// reconnect begins the session again after a login that was none, with the same
// token: a URI may name several.
func (t *cryptoki) reconnect(first *pkcs11.TokenInfo) error {
	if t.session != 0 {
		return nil
	}
	if err := t.connect(); err != nil {
		return err
	}
	if t.info.Label != first.Label || t.info.SerialNumber != first.SerialNumber || t.info.ManufacturerID != first.ManufacturerID {
		t.disconnect()
		return passingError{fmt.Errorf("the token %s is gone, and in its place is %s", trim(first.Label), t.label())}
	}
	return nil
}

// object is what a search found.
type object struct {
	handle pkcs11.ObjectHandle
	id     []byte
	label  string
}

func (o object) String() string { return fmt.Sprintf("object=%s;id=%s", o.label, escaped(o.id)) }

// escaped is an id as a URI has it.
func escaped(id []byte) string {
	var b strings.Builder
	for _, c := range id {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// maxObjects is how many objects a search returns at most.
const maxObjects = 64

func (t *cryptoki) search(template []*pkcs11.Attribute) ([]object, error) {
	if err := t.ctx.FindObjectsInit(t.session, template); err != nil {
		return nil, err
	}
	handles, _, err := t.ctx.FindObjects(t.session, maxObjects)
	if ferr := t.ctx.FindObjectsFinal(t.session); err == nil {
		err = ferr
	}
	if err != nil {
		return nil, err
	}
	var list []object
	for _, h := range handles {
		list = append(list, object{h, t.attribute(h, pkcs11.CKA_ID), string(t.attribute(h, pkcs11.CKA_LABEL))})
	}
	return list, nil
}

// attribute is one of an object, nil if it has none.
func (t *cryptoki) attribute(h pkcs11.ObjectHandle, kind uint) []byte {
	a, err := t.ctx.GetAttributeValue(t.session, h, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	if err != nil || len(a) != 1 {
		return nil
	}
	return a[0].Value
}

func (t *cryptoki) find() error {
	class := pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)
	template := []*pkcs11.Attribute{class}
	if v, ok := t.uri.path["object"]; ok {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, v))
	}
	if v, ok := t.uri.path["id"]; ok {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, []byte(v)))
	}
	found, err := t.search(template)
	if err != nil {
		return fmt.Errorf("looking for the key: %w", err)
	}
	if len(found) == 0 {
		all, err := t.search([]*pkcs11.Attribute{class})
		if err != nil || len(all) == 0 {
			return fmt.Errorf("there is no private key in the token %s", t.label())
		}
		return fmt.Errorf("no private key in the token %s is as the URI names it; there are %s", t.label(), list(all))
	}
	if len(found) > 1 {
		return fmt.Errorf("the URI names more than one private key: %s", list(found))
	}
	t.key, t.id, t.name = found[0].handle, found[0].id, found[0].label
	always := t.attribute(t.key, pkcs11.CKA_ALWAYS_AUTHENTICATE)
	t.always = len(always) > 0 && always[0] != 0
	if !t.always {
		clear(t.kept)
	}
	return nil
}

func list(objects []object) string {
	var names []string
	for _, o := range objects {
		names = append(names, o.String())
	}
	slices.Sort(names) // some tokens list them in any order
	return strings.Join(names, ", ")
}

// certificate looks for one with the key's id, then for one with its label.
func (t *cryptoki) certificate() ([]byte, error) {
	for _, by := range []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, t.id), pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.name)} {
		if len(by.Value) == 0 {
			continue
		}
		found, err := t.search([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), by})
		switch {
		case err != nil:
			return nil, fmt.Errorf("looking for the certificate: %w", err)
		case len(found) > 1:
			return nil, fmt.Errorf("more than one certificate is of the key: %s", list(found))
		case len(found) == 1:
			if der := t.attribute(found[0].handle, pkcs11.CKA_VALUE); len(der) > 0 {
				return der, nil
			}
		}
	}
	return nil, nil
}

// sign lets the token do nothing but the arithmetic, because not every token can
// hash.
func (t *cryptoki) sign(algorithm, hash string, data []byte) ([]byte, error) {
	var mechanism uint
	order := 0 // the length in bytes of the curve's
	switch algorithm {
	case "rsa":
		mechanism = pkcs11.CKM_RSA_PKCS
		var err error
		if data, err = digestInfo(hash, data); err != nil {
			return nil, err
		}
	case "ecdsa":
		mechanism = pkcs11.CKM_ECDSA
		// The bits behind the order's length do not count, and some tokens refuse
		// them.
		order = curves[string(t.attribute(t.key, pkcs11.CKA_EC_PARAMS))]
		if order > 0 && len(data) > order {
			data = data[:order]
		}
	case "mldsa44", "mldsa65", "mldsa87":
		mechanism = ckmMLDSA
	case "ed25519":
		mechanism = ckmEdDSA
	default:
		return nil, fmt.Errorf("no token signs with %.20q", algorithm)
	}
	value, err := t.signOnce(mechanism, data)
	// A key service may want digests of one length. A shorter one is a number, and
	// that has zeros in front.
	if n := min(order, 64); is(err, pkcs11.CKR_DATA_LEN_RANGE) && len(data) < n {
		value, err = t.signOnce(mechanism, append(make([]byte, n-len(data)), data...))
	}
	if err != nil {
		return nil, fmt.Errorf("token %s: %w", t.label(), err)
	}
	return value, nil
}

func (t *cryptoki) signOnce(mechanism uint, data []byte) ([]byte, error) {
	if err := t.ctx.SignInit(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, t.key); err != nil {
		return nil, err
	}
	if t.always {
		// Some tokens say so and then do not know this login.
		err := inTurn(t.module, func() error {
			err := t.ctx.Login(t.session, pkcs11.CKU_CONTEXT_SPECIFIC, string(t.kept))
			if t.unread(err) {
				return passingError{err}
			}
			return err
		})
		if is(err, pkcs11.CKR_PIN_INCORRECT) || is(err, pkcs11.CKR_PIN_LOCKED) || is(err, pkcs11.CKR_PIN_EXPIRED) || is(err, pkcs11.CKR_PIN_LEN_RANGE) {
			return nil, err
		}
	}
	return t.ctx.Sign(t.session, data)
}

func (t *cryptoki) close() {
	clear(t.kept)
	t.disconnect()
	t.ctx.Destroy()
}
