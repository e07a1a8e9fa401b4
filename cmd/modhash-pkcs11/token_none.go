// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package main

import "errors"

func openToken(string, *uri) (token, error) {
	return nil, errors.New("this modhash-pkcs11 was built without tokens (it takes cgo and the build tag pkcs11)")
}
