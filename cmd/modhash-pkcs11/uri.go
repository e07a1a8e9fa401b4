// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// uri is a pkcs11: URI (RFC 7512), decoded.
type uri struct {
	path, query map[string]string
}

// The attributes of RFC 7512. Those of vendors begin with "x-" here.
var (
	pathNames = []string{
		"token", "manufacturer", "serial", "model", "library-manufacturer", "library-version", "library-description",
		"object", "type", "id", "slot-id", "slot-manufacturer", "slot-description",
	}
	queryNames = []string{"pin-value", "pin-source", "module-name", "module-path"}
)

// tokenNames are those that tell tokens apart.
var tokenNames = []string{"token", "manufacturer", "serial", "model", "slot-id", "slot-manufacturer", "slot-description"}

// parseURI reads a URI. No error quotes a value, which could be a PIN.
func parseURI(s string) (*uri, error) {
	rest, ok := strings.CutPrefix(s, "pkcs11:")
	if !ok {
		return nil, errors.New("a URI that does not begin with pkcs11: is given")
	}
	path, query, _ := strings.Cut(rest, "?")
	u := &uri{}
	var err error
	if u.path, err = attributes(path, ";", pathNames); err != nil {
		return nil, err
	}
	if u.query, err = attributes(query, "&", queryNames); err != nil {
		return nil, err
	}
	switch t := u.path["type"]; t {
	case "", "private", "cert", "public":
	default:
		return nil, fmt.Errorf("the URI names an object of type %.20q, not a key", t)
	}
	return u, nil
}

func attributes(s, separator string, known []string) (map[string]string, error) {
	m := map[string]string{}
	if s == "" {
		return m, nil
	}
	for _, part := range strings.Split(s, separator) {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, errors.New("the URI has an attribute without a value")
		}
		if strings.HasPrefix(name, "x-") {
			continue // of a vendor
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("the URI has an attribute %.40q, which is not known", name)
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("the URI has the attribute %s twice", name)
		}
		v, err := url.PathUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("the URI's attribute %s has a percent sign that does not stand before two hex digits", name)
		}
		m[name] = v
	}
	return m, nil
}

// modulePlaces are where modules lie that are named without a path.
var modulePlaces = []string{"/usr/lib/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/*/pkcs11", "/usr/local/lib/pkcs11", "/usr/lib", "/usr/lib64", "/usr/lib/*"}

// module is the path of the shared library.
func (u *uri) module(option string, getenv func(string) string) (string, error) {
	if option != "" {
		return option, nil
	}
	if p := u.query["module-path"]; p != "" {
		return p, nil
	}
	if name := u.query["module-name"]; name != "" {
		if strings.ContainsAny(name, "/*?[\\") {
			return "", errors.New("module-name is no name")
		}
		for _, place := range modulePlaces {
			for _, file := range []string{name + ".so", "lib" + name + ".so"} {
				if found, _ := filepath.Glob(filepath.Join(place, file)); len(found) > 0 {
					return found[0], nil
				}
			}
		}
		return "", fmt.Errorf("there is no module %.40q; module-path names its file", name)
	}
	for _, v := range []string{"PKCS11_MODULE_PATH", "PKCS11_PROVIDER_MODULE"} {
		if p := getenv(v); p != "" {
			return p, nil
		}
	}
	return "p11-kit-proxy.so", nil // found by the dynamic linker
}

// pin is the PIN that the URI tells, if it does.
func (u *uri) pin() (pin []byte, known bool, err error) {
	if v, ok := u.query["pin-value"]; ok {
		return []byte(v), true, nil
	}
	source, ok := u.query["pin-source"]
	if !ok {
		return nil, false, nil
	}
	if rest, ok := strings.CutPrefix(source, "file:"); ok {
		source = rest
		if strings.HasPrefix(rest, "//") {
			source = strings.TrimPrefix(strings.TrimPrefix(rest, "//"), "localhost")
		}
	}
	if strings.HasPrefix(source, "|") {
		return nil, false, errors.New("pin-source names a command; only files are read")
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, false, fmt.Errorf("pin-source: %w", err)
	}
	defer f.Close() // read only
	const most = 4096
	pin, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(pin) > most {
		err = fmt.Errorf("more than %d bytes, which is no PIN", most)
	}
	if err != nil {
		return nil, false, fmt.Errorf("pin-source: %w", err)
	}
	return bytes.TrimSuffix(pin, []byte("\n")), true, nil
}

// names reports whether the URI tells tokens apart.
func (u *uri) names() bool {
	return slices.ContainsFunc(tokenNames, func(n string) bool { _, ok := u.path[n]; return ok })
}
