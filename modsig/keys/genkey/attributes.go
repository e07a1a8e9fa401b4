// SPDX-License-Identifier: Apache-2.0

package genkey

import "slices"

// attributeKind is what OpenSSL knows of a part of a name.
type attributeKind struct {
	oid      string
	kind     StringKind
	min, max int // characters; 0: no limit
}

// attributeTypes are the parts of a name, by OpenSSL's short and long names.
// Source: crypto/asn1/tbl_standard.h and crypto/objects/objects.txt.
var attributeTypes = func() map[string]attributeKind {
	types := map[string]attributeKind{}
	for _, t := range []struct {
		names []string
		attributeKind
	}{
		{[]string{"C", "countryName"}, attributeKind{"2.5.4.6", Printable, 2, 2}},
		{[]string{"ST", "stateOrProvinceName"}, attributeKind{"2.5.4.8", UTF8, 1, 128}},
		{[]string{"L", "localityName"}, attributeKind{"2.5.4.7", UTF8, 1, 128}},
		{[]string{"O", "organizationName"}, attributeKind{"2.5.4.10", UTF8, 1, 64}},
		{[]string{"OU", "organizationalUnitName"}, attributeKind{"2.5.4.11", UTF8, 1, 64}},
		{[]string{"CN", "commonName"}, attributeKind{"2.5.4.3", UTF8, 1, 64}},
		{[]string{"SN", "surname"}, attributeKind{"2.5.4.4", UTF8, 1, 32768}},
		{[]string{"GN", "givenName"}, attributeKind{"2.5.4.42", UTF8, 1, 32768}},
		{[]string{"initials"}, attributeKind{"2.5.4.43", UTF8, 1, 32768}},
		{[]string{"name"}, attributeKind{"2.5.4.41", UTF8, 1, 32768}},
		{[]string{"serialNumber"}, attributeKind{"2.5.4.5", Printable, 1, 64}},
		{[]string{"dnQualifier"}, attributeKind{"2.5.4.46", Printable, 0, 0}},
		{[]string{"title"}, attributeKind{"2.5.4.12", UTF8, 0, 0}},
		{[]string{"description"}, attributeKind{"2.5.4.13", UTF8, 0, 0}},
		{[]string{"businessCategory"}, attributeKind{"2.5.4.15", UTF8, 0, 0}},
		{[]string{"postalCode"}, attributeKind{"2.5.4.17", UTF8, 0, 0}},
		{[]string{"street", "streetAddress"}, attributeKind{"2.5.4.9", UTF8, 0, 0}},
		{[]string{"pseudonym"}, attributeKind{"2.5.4.65", UTF8, 0, 0}},
		{[]string{"generationQualifier"}, attributeKind{"2.5.4.44", UTF8, 0, 0}},
		{[]string{"organizationIdentifier"}, attributeKind{"2.5.4.97", UTF8, 0, 0}},
		{[]string{"UID", "userId"}, attributeKind{"0.9.2342.19200300.100.1.1", UTF8, 0, 0}},
		{[]string{"DC", "domainComponent"}, attributeKind{"0.9.2342.19200300.100.1.25", IA5, 1, 0}},
		{[]string{"emailAddress"}, attributeKind{"1.2.840.113549.1.9.1", IA5, 1, 128}},
	} {
		for _, name := range t.names {
			types[name] = t.attributeKind
		}
	}
	return types
}()

// attributeType finds one by its identifier; the zero value if it is not known.
func attributeType(oid []int) attributeKind {
	for _, t := range attributeTypes {
		if o, _ := ParseOID(t.oid); slices.Equal(o, oid) {
			return t
		}
	}
	return attributeKind{}
}
