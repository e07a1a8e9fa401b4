// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/genkey"
	"github.com/modhash/modhash/modsig/keys/selfsigned"
)

// epochVariable is where reproducible builds take their time from.
const epochVariable = "SOURCE_DATE_EPOCH"

// defaultName is whom a certificate names if nothing says it.
const defaultName = "Local module signing key"

const certHelp = `What the certificate says comes from an x509.genkey file (--genkey), which is read as
OpenSSL reads it, or is that of the kernel's default one with another name (--cn).
With the same key, serial number and dates it is the certificate that "openssl req"
of OpenSSL 4.0 makes, byte for byte (with ECDSA: that of -sigopt nonce-type:1), or
with --openssl 3 that of 3.x. It is valid from --not-before on, or else from
SOURCE_DATE_EPOCH, or else from now. If one of these two is given, the serial number
is made of key, name and date, so that the certificate can be made again.`

// certFlags are the options of what a certificate says.
type certFlags struct {
	genkey, cn          string
	kind, hash, serial  string
	notBefore, notAfter string
	bits, days          int
	openssl             int
}

func (f *certFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.genkey, "genkey", "", "make the certificate by the x509.genkey `FILE`")
	fl.StringVar(&f.cn, "cn", "", "the `NAME` of the key's owner, without --genkey (default "+strconv.Quote(defaultName)+")")
	fl.StringVar(&f.hash, "hash", "", "`HASH` of the signatures: "+join(keys.HashNames())+" (default: default_md of the file, or sha512)")
	fl.StringVar(&f.notBefore, "not-before", "", "valid from `TIME` on: 20260101000000Z, 2026-01-01, or seconds since 1970 with @ before them")
	fl.StringVar(&f.notAfter, "not-after", "", "valid until `TIME`")
	fl.IntVar(&f.days, "days", 36500, "valid for `N` days, without --not-after")
	fl.StringVar(&f.serial, "serial", "", "serial number: `HEX`, random or derived")
	fl.IntVar(&f.openssl, "openssl", 4, "be equal to what OpenSSL `N` makes: 4 or 3")
	complete(cmd, "hash", keys.HashNames()...)
	complete(cmd, "serial", "random", "derived")
	complete(cmd, "openssl", "4", "3")
}

// registerKind registers the options of a key that is made.
func (f *certFlags) registerKind(cmd *cobra.Command, defaults string) {
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "type", "", "`TYPE` of the key: "+strings.Join(selfsigned.KeyTypes(), ", ")+" (default "+defaults+")")
	fl.IntVar(&f.bits, "bits", 0, "length of an RSA key: `N` is 2048, 3072 or 4096 (default: default_bits of the file, or 4096)")
	complete(cmd, "type", selfsigned.KeyTypes()...)
}

// checkBits refuses a length of a key of which it is not asked.
func (f *certFlags) checkBits() error {
	if f.bits != 0 && f.kind != "rsa" {
		return usageError("--bits is the length of an RSA key: --type rsa")
	}
	return nil
}

// certPlan is what the options ask for.
type certPlan struct {
	template selfsigned.Template
	fixed    bool // the date is given, so that all can be made again
	serial   string
	bits     int
}

// plan reads the options and the file that they name.
func (f *certFlags) plan(now time.Time, fixed bool) (*certPlan, error) {
	p := &certPlan{fixed: fixed || f.notBefore != "", serial: f.serial}
	style, ok := map[int]selfsigned.Style{3: selfsigned.OpenSSL3, 4: selfsigned.OpenSSL4}[f.openssl]
	if !ok {
		return nil, usageError("--openssl %d, want 3 or 4", f.openssl)
	}
	request, err := f.request()
	if err != nil {
		return nil, err
	}
	name := cmp.Or(f.hash, request.Digest, "sha512")
	h, ok := keys.ParseHash(name)
	if !ok {
		return nil, usageError("no signatures are made with the hash %q; want one of %s", name, join(keys.HashNames()))
	}
	p.template = selfsigned.Template{Request: request, Hash: h, Style: style, NotBefore: now}
	if p.bits = f.bits; p.bits == 0 {
		p.bits = request.Bits
	}
	if p.bits == 0 {
		p.bits = 4096
	}
	return p, f.validity(&p.template)
}

func (f *certFlags) validity(t *selfsigned.Template) error {
	var err error
	if f.notBefore != "" {
		if t.NotBefore, err = parseTime("--not-before", f.notBefore); err != nil {
			return err
		}
	}
	if f.notAfter != "" {
		t.NotAfter, err = parseTime("--not-after", f.notAfter)
		return err
	}
	if f.days < 1 || f.days > 1_000_000 {
		return usageError("--days %d, want 1 to 1000000", f.days)
	}
	// Days of 86,400 seconds, as openssl counts them.
	t.NotAfter = t.NotBefore.UTC().AddDate(0, 0, f.days)
	return nil
}

// request reads the file, or takes the default one.
func (f *certFlags) request() (*genkey.Request, error) {
	text, name := []byte(genkey.Default), "the kernel's default x509.genkey"
	switch {
	case f.genkey != "" && f.cn != "":
		return nil, usageError("--genkey and --cn exclude each other: the file names the owner")
	case f.genkey != "":
		name = f.genkey
		err := readFile(f.genkey, func(r io.Reader) (err error) {
			text, err = io.ReadAll(io.LimitReader(r, genkey.MaxSize+1))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	c, err := genkey.Parse(text)
	var request *genkey.Request
	if err == nil {
		request, err = c.Request()
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", name, err), "\"modhash keys genkey\" prints one to begin with")
	}
	if f.genkey == "" {
		request.Subject[0].Value = cmp.Or(f.cn, defaultName)
		if err := request.Subject[0].Check(); err != nil {
			return nil, usageError("--cn: %v", err)
		}
	}
	return request, nil
}

// parseTime reads a time in UTC.
func parseTime(flag, s string) (time.Time, error) {
	if seconds, ok := strings.CutPrefix(s, "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 48)
		if err == nil && n >= 0 {
			return time.Unix(n, 0).UTC(), nil
		}
	}
	for _, layout := range []string{"20060102150405Z", time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usageError("%s %q, want a time such as 20260101000000Z, 2026-01-01 or @1767225600", flag, s)
}

// buildTime is SOURCE_DATE_EPOCH, or else the clock's; fixed says which.
func buildTime() (now time.Time, fixed bool, err error) {
	text, ok := os.LookupEnv(epochVariable)
	if !ok || text == "" {
		return time.Now(), false, nil
	}
	n, err := strconv.ParseInt(text, 10, 48)
	if err != nil || n < 0 {
		return now, false, usageError("%s is %q, want seconds since 1970", epochVariable, text)
	}
	return time.Unix(n, 0).UTC(), true, nil
}

// setSerial finds the serial number, which can follow from the key.
func (p *certPlan) setSerial(public crypto.PublicKey) (err error) {
	t := &p.template
	switch {
	case p.serial == "derived" || p.serial == "" && p.fixed:
		t.Serial, err = selfsigned.DerivedSerial(public, t.Request.Subject, t.NotBefore)
		return err
	case p.serial == "random" || p.serial == "":
		t.Serial, err = selfsigned.RandomSerial()
		return err
	}
	n, ok := new(big.Int).SetString(strings.TrimPrefix(strings.ReplaceAll(p.serial, ":", ""), "0x"), 16)
	if !ok || n.Sign() <= 0 || n.BitLen() > 159 {
		return usageError("--serial %q, want random, derived, or a number below 2^159 in hex digits", p.serial)
	}
	t.Serial = n
	return nil
}

// certify makes the certificate of a key.
func (p *certPlan) certify(key crypto.Signer) ([]byte, error) {
	if err := p.setSerial(key.Public()); err != nil {
		return nil, err
	}
	der, err := p.template.Make(key)
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, &codeError{exitFinding, err}
	}
	return der, err
}

// made is a key with its certificate.
type made struct {
	key, cert []byte // PEM
	der       []byte
	kind      string
	info      certlist.Certificate
}

// make makes a key and its certificate.
func (p *certPlan) make(ctx context.Context, kind string) (*made, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	signer, err := selfsigned.Generate(kind, p.bits)
	if err != nil {
		return nil, &usage{err}
	}
	m := &made{kind: kind}
	if m.der, err = p.certify(signer); err != nil {
		return nil, err
	}
	if m.key, err = selfsigned.MarshalKey(signer); err != nil {
		return nil, err
	}
	m.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.der})
	m.info = certlist.ParseOne(m.der)
	return m, m.info.Err
}

// describe is a line about a certificate for people.
func describe(c *certlist.Certificate) string { return describeDated(c, time.DateOnly) }

func describeDated(c *certlist.Certificate, layout string) string {
	id := "none"
	if c.KeyID != nil {
		id = hex.EncodeToString(c.KeyID)
	}
	return fmt.Sprintf("%s, serial %s, key id %s, %s to %s, %s",
		c.Subject, modsig.SerialHex(c.Serial), id, c.NotBefore.UTC().Format(layout), c.NotAfter.UTC().Format(layout), keyLine(kindOf(c), c.KeyBits))
}

// kindOf is the type of a certificate's key, as --type takes it; "" for others.
func kindOf(c *certlist.Certificate) string {
	public, err := keys.ParsePublicKey(c.PublicKeyInfo)
	if err != nil {
		return ""
	}
	return selfsigned.KeyType(public)
}

// since says which kernels know what a certificate needs, "" for all that count.
func since(kind string, h crypto.Hash) string {
	switch {
	case strings.HasPrefix(kind, "mldsa"):
		return "Linux 7.0 with CONFIG_CRYPTO_MLDSA"
	case kind == "p521":
		return "Linux 6.10"
	case strings.HasPrefix(keys.HashName(h), "sha3"):
		return "Linux 6.7"
	}
	return ""
}

// readPublicKey reads the file of --public-key.
func readPublicKey(ctx context.Context, path string) (public crypto.PublicKey, err error) {
	data, err := readBounded(ctx, path, keys.MaxFile)
	if err != nil {
		return nil, err
	}
	if public, err = keys.ParsePublicKey(data); err != nil {
		err = fmt.Errorf("reading %s: %w", path, err)
	}
	return public, withHint(err, "--public-key takes a PUBLIC KEY in PEM, or its DER: openssl pkey -pubout")
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, perm os.FileMode, data []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return withHint(finding("%s is there already, and is not overwritten", path), "remove it, if nothing needs it")
	}
	if err := outfile.Bytes(path, outfile.Options{Perm: perm}, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
