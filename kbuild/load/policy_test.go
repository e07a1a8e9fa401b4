// SPDX-License-Identifier: Apache-2.0

package load

import (
	"strings"
	"testing"
)

// TestAlways: a kernel that enforces, or is locked down, by its configuration does so
// in every mode.
func TestAlways(t *testing.T) {
	const lsm = "CONFIG_SECURITY_LOCKDOWN_LSM=y\n"
	const integrity, confidentiality = "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y\n", "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y\n"
	for _, test := range []struct {
		name, config string
		want         string // of an unsigned module: permissive, enforcing, locked down, both
	}{
		{"neither", lsm, "0 EKEYREJECTED EPERM EKEYREJECTED"},
		{"no lockdown", "CONFIG_X=y\n", "0 EKEYREJECTED 0 EKEYREJECTED"},
		{"enforces", lsm + "CONFIG_MODULE_SIG_FORCE=y\n", "EKEYREJECTED EKEYREJECTED EKEYREJECTED EKEYREJECTED"},
		{"integrity", lsm + integrity, "EPERM EKEYREJECTED EPERM EKEYREJECTED"},
		{"confidentiality", lsm + confidentiality + "CONFIG_LSM=\"landlock,lockdown,yama\"\n", "EPERM EKEYREJECTED EPERM EKEYREJECTED"},
		{"not started", lsm + integrity + "CONFIG_LSM=\"landlock,lockdowns\"\n", "0 EKEYREJECTED EPERM EKEYREJECTED"},
		{"started early", lsm + integrity + "CONFIG_LSM=\"\"\nCONFIG_SECURITY_LOCKDOWN_LSM_EARLY=y\n", "EPERM EKEYREJECTED EPERM EKEYREJECTED"},
		{"not there", integrity, "0 EKEYREJECTED 0 EKEYREJECTED"},
	} {
		k := small(t, "hashes", "main")
		k.configure(config(t, test.config+"CONFIG_MODULES=y\nCONFIG_MODULE_HASHES=y\n"))
		var got []string
		for _, a := range check(t, k, vector(t, "hashes/cases/b1-unsigned"), Request{}, Modes()...).Answers {
			got = append(got, errnoText(a.Errno))
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s: %s, want %s", test.name, s, test.want)
		}
		for _, a := range check(t, k, vector(t, "hashes/cases/a1-valid"), Request{}, Modes()...).Answers {
			if a.Loads != Yes {
				t.Errorf("%s, %s: a module with its proof: %v %s", test.name, a.Mode, a.Loads, a.Errno)
			}
		}
	}
}
