// SPDX-License-Identifier: Apache-2.0

// Package load answers whether a kernel would load a module: the kernel's own
// decision, step by step, without running it.
//
// # Steps
//
// In the order of the kernel (kernel/module/main.c of Linux 6.12 to 7.2):
//
//	read        the size that the system call wants
//	decompress  if the kernel is to do it: its decompressors take less than xz, gzip and zstd do
//	trailer     marker, 12-byte block, type of the trailer
//	hash        of kernels with a flat list: the digest of the whole file
//	proof       of a Merkle trailer: depth, then the root that it leads to
//	signature   of a PKCS#7 trailer: package modsig
//	policy      what becomes of a module that is not authenticated: load and taint, or refuse
//	elf         header, sections, symbol table
//	versions    the checksum of module_layout, with CONFIG_MODVERSIONS
//	vermagic    release and the switches that every module must share
//	livepatch   a patch, in a kernel that cannot apply one
//	duplicate   a module of that name is loaded
//	sections    none is both writable and executable, with CONFIG_STRICT_MODULE_RWX
//	exports     beside exported symbols are their checksums, and their flags
//	namespaces  none that is for certain modules is imported by name
//	symbols     what the module needs is exported, with that checksum, licence and namespace
//	relocations of x86-64: types that the kernel knows, of places that are zero
//	exports     what the module exports is not exported already
//	types       the type information (BTF) goes on from that of the kernel, unless
//	            CONFIG_MODULE_ALLOW_BTF_MISMATCH has it ignored
//	sysfs       the module has a name, and with CONFIG_KALLSYMS no two sections have one
//
// A module "loads" if all of that passes, so that its init function is called, and
// if the modules that it depends on are loaded. What that function does is not
// told, nor what module.blacklist, LoadPin, IMA and other security modules say, nor
// whether there is memory enough. Nor whether the values of relocations fit, which
// depends on where the module comes to lie, and what relocations of other
// architectures are. Not compared is the size of struct module, if the kernel has no
// type information (BTF) that tells it.
//
// # Rules
//
// There are two orders of the first steps. [Mainline] tests the length of the
// signature before the type of the trailer and knows type 2 only. [Hashes], version
// 5 of the kernel series "module: Introduce hash-based integrity checking", tests
// the type first and knows type 3 too. CONFIG_MODULE_SIG and CONFIG_MODULE_HASHES
// say which types a kernel takes; with neither, it does not look at trailers.
// A kernel with a flat list (versions 1 to 3 of the series) looks the whole file up
// and then goes on as mainline does.
//
// # What is not known
//
// A [Kernel] says of each of its properties whether it is known. An answer that
// depends on an unknown one is unknown; if all possibilities lead to the same
// answer, it is that. There is one inference: a module that the hashset admits was
// part of the build that made the image, so its vermagic and its symbols are those
// of the kernel unless something given says otherwise.
package load

import (
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
)

// Errno names what a system call answers: "EKEYREJECTED"; "" is success and
// [modsig.Unknown] what cannot be told.
type Errno = modsig.Errno

const (
	success Errno = ""
	unknown       = modsig.Unknown

	eNoData Errno = "ENODATA"
	ePerm   Errno = "EPERM"
	eNoExec Errno = "ENOEXEC"
	eNoEnt  Errno = "ENOENT"
	eExist  Errno = "EEXIST"
	eNoSys  Errno = "ENOSYS"
	eNotSup Errno = "EOPNOTSUPP"
)

// Fact is what is known about a kernel or an answer.
type Fact uint8

// The zero value is that nothing is known.
const (
	Maybe Fact = iota
	No
	Yes
)

func (f Fact) String() string { return [...]string{"unknown", "no", "yes"}[f] }

// MarshalText is [Fact.String] for encoding/json.
func (f Fact) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

func factOf(b bool) Fact {
	if b {
		return Yes
	}
	return No
}

// values are the possibilities that f leaves.
func (f Fact) values() []bool {
	switch f {
	case Yes:
		return []bool{true}
	case No:
		return []bool{false}
	}
	return []bool{true, false}
}

// Mode is how strict a running kernel is.
type Mode string

// The modes. With both, a kernel looks at sig_enforce first.
const (
	Permissive Mode = "permissive"         // neither module.sig_enforce=1 nor locked down
	Enforcing  Mode = "enforcing"          // module.sig_enforce=1
	Lockdown   Mode = "lockdown"           // lockdown=integrity or confidentiality
	Both       Mode = "enforcing+lockdown" // both
)

// Modes are all modes.
func Modes() []Mode { return []Mode{Permissive, Enforcing, Lockdown, Both} }

// Flags of finit_module.
type Flags uint8

// The values that include/uapi/linux/module.h has for them.
const (
	IgnoreModversions Flags = 1 << iota
	IgnoreVermagic
	CompressedFile
)

// Call is how a module is handed to the kernel.
type Call string

const (
	// Modprobe is what modprobe of kmod 31 and later does: finit_module, with
	// CompressedFile if the kernel says that it decompresses that format; else it
	// decompresses the module itself and calls init_module.
	Modprobe    Call = ""
	FinitModule Call = "finit_module"
	InitModule  Call = "init_module" // takes no flags
)

// Request is how a module is handed to the kernel.
type Request struct {
	Call  Call
	Flags Flags
}

// Step is one step of the decision.
type Step struct {
	Name  string  `json:"name"` // see the package comment
	Text  string  `json:"text"` // what was found, for people
	Errno []Errno `json:"-"`    // what the step can answer; success, alone: passed
}

// Passed reports whether the step passes, in every case.
func (s *Step) Passed() bool { return len(s.Errno) == 1 && s.Errno[0] == success }

// Answer is what becomes of a module in one mode.
type Answer struct {
	Mode  Mode
	Loads Fact
	Errno Errno // success if it loads
	// Taint holds the letters that /proc/modules shows, in its order: P proprietary,
	// F forced, C staging, O out of tree, E not authenticated, K livepatch, N test.
	// It is "unknown" where it cannot be told, and "" if the module does not load.
	Taint string
	// Log is what the kernel logs, without the time. Lines about a taint it logs once,
	// of the first module that gives it. What libraries of the kernel log of a signature
	// that they do not understand is left out, as are lines about other taints, what is
	// wrong with type information, lines with addresses, and traces. Of symbols that it
	// refuses the first 100 are told.
	Log []string
}

// Result is the decision about one module.
type Result struct {
	Name        string // that the module gives itself; "" if it has none
	Compression kmod.Compression
	// Internal are the possible results of the authentication, as the kernel has
	// them before its mode counts: success is an authenticated module.
	Internal []Errno
	// Authenticated says whether a proof or a signature vouches for the module.
	Authenticated Fact
	Steps         []Step
	Answers       []Answer // one for each mode that was asked for
}

// Passes reports whether the module is authenticated and loads in every mode: Yes,
// No, or Maybe if that depends on what is not known.
func (r *Result) Passes() Fact {
	all := r.Authenticated
	for _, a := range r.Answers {
		if a.Loads == No {
			return No
		}
		if a.Loads == Maybe && all == Yes {
			all = Maybe
		}
	}
	return all
}

// Unknown reports whether any of the answers is not known.
func (r *Result) Unknown() bool {
	return r.Authenticated == Maybe || slices.ContainsFunc(r.Answers, func(a Answer) bool {
		return a.Loads == Maybe || a.Errno == unknown || a.Taint == string(unknown)
	})
}

// taints are the letters in the order of the kernel's table (kernel/panic.c).
const taints = "PFCOEKN"

// orderTaints brings letters in that order.
func orderTaints(letters string) string {
	var b strings.Builder
	for _, l := range taints {
		if strings.ContainsRune(letters, l) {
			b.WriteRune(l)
		}
	}
	return b.String()
}
