// SPDX-License-Identifier: Apache-2.0

// Package prove makes the proofs of a Merkle hashset and puts them where a
// kernel build wants them.
//
// In a build tree each module gets a sidecar, a file beside it that holds the
// trailer to be appended when the module is installed: proof, signature block of
// type 3 and marker (package [modsig/trailer]). The root goes into a C file that
// is compiled into the kernel. An installed tree gets the trailers appended to
// its modules.
//
// Source: scripts/modules-merkle-tree.c and scripts/Makefile.modinst of version 5
// of the kernel series "module: Introduce hash-based integrity checking".
//
// [modsig/trailer]: https://pkg.go.dev/github.com/modhash/modhash/modsig/trailer
package prove
