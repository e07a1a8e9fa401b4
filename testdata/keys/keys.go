// SPDX-License-Identifier: Apache-2.0

// Package keys holds throw-away test keys. They are public.
package keys

import _ "embed" // for the files

// Keys and their self-signed certificates, PEM.
var (
	//go:embed throwaway-a.key
	AKey []byte
	//go:embed throwaway-a.crt
	ACert []byte
	//go:embed throwaway-b.key
	BKey []byte
	//go:embed throwaway-b.crt
	BCert []byte
)

// Ed25519 keys of three who rebuild packages, PEM.
var (
	//go:embed throwaway-alice.key
	AliceKey []byte
	//go:embed throwaway-bob.key
	BobKey []byte
	//go:embed throwaway-carol.key
	CarolKey []byte
)
