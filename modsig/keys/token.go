// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// openToken opens a key in a PKCS #11 token, by the program that Options.Token
// names. There is one process, so that a wrong PIN is tried once.
func openToken(ctx context.Context, uri string, cert []byte, o *Options) (*Key, error) {
	p, err := tokenPrograms(ctx, uri, o)
	if err != nil {
		return nil, err
	}
	return p.openKey(cert)
}

func tokenPrograms(ctx context.Context, uri string, o *Options) (*programs, error) {
	switch {
	case len(o.Token) == 0:
		return nil, errors.New("key pkcs11: tokens cannot be used here")
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("key pkcs11: there is a character in the URI that is to be written as %XX")
	}
	p, err := newPrograms(ctx, "pkcs11", o.Token, 1, o)
	if err != nil {
		return nil, err
	}
	p.hello = func(p *programs) error {
		word, token, err := p.ask(ctx, "open "+uri, "ok", "pin")
		if err != nil || word == "ok" {
			return err
		}
		if o.PIN == nil {
			return ErrNoPIN
		}
		pin, err := o.PIN(ctx, fmt.Sprintf("token %.100q", token))
		if err != nil {
			return err
		}
		defer clear(pin)
		if len(pin) == 0 {
			return ErrNoPIN
		}
		_, _, err = p.ask(ctx, "pin "+base64.StdEncoding.EncodeToString(pin), "ok")
		return err
	}
	return p, nil
}
