// SPDX-License-Identifier: Apache-2.0

// Package sign puts signatures on module files and takes them off, in folders
// and single files, through their compression.
//
// Package modsig makes the signatures and package rewrite the files; this one
// decides which modules get one:
//
//   - A module that carries the wanted signature already, by the same key, over
//     the same payload and of the same form, is not touched.
//   - A module that ends in anything else is only changed if it is allowed to
//     replace that. Signatures are never stacked.
//   - A module that a hashset covers is not signed unless that is asked for: one
//     that carries a proof, and one that a manifest lists. A kernel with a
//     hashset takes the type of the trailer for the way to check the module.
//
// All modules are looked at before any is changed. If one cannot be taken, there
// is an [*ObstaclesError] that names all of them, and no file was written.
//
// # Two phases
//
// Detach and Attach are for keys that are on another machine than the modules.
// What goes there and what comes back is, in three layouts, for a module
// lib/modules/6.12.0/updates/x.ko.xz below the folder that was given:
//
//	p7s     updates/x.ko.p7s        the CMS message, as sign-file -d writes it
//	debian  PACKAGE/updates/x.ko.sig   the same, as Debian's signing service
//	        returns it in debian/signatures; files.json lists what to sign
//	obs     updates/x.ko.sig        the bare RSA signature value over SHA-256, as
//	        the openSUSE build service returns it in NAME.cpio.rsasign.sig
//
// Names are without the suffix of the compression, because the payload is what is
// signed.
package sign
