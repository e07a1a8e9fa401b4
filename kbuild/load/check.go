// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
)

// maxStored is the size in bytes above which a compressed module is not read.
const maxStored = 256 << 20

// Options of a [Checker]. The zero value is ready for use.
type Options struct {
	Modes   []Mode // which answers are wanted; none: permissive, enforcing and lockdown
	MaxSize int64  // decompressed size limit in bytes; 0 is [kmod.DefaultMaxSize]
	TempDir string // where what does not fit into memory goes; "" is the system's folder
}

// Checker decides about modules that are loaded one after the other: a second one
// of the same name is a duplicate. It must not be used concurrently.
type Checker struct {
	k      *Kernel
	o      Options
	dec    *codec.Decoder
	buf    *spool.Buffer
	loaded map[Mode]map[string]Fact
}

// NewChecker returns a Checker for a kernel, which must not be changed. Close frees
// it.
func NewChecker(k *Kernel, o Options) *Checker {
	if len(o.Modes) == 0 {
		o.Modes = []Mode{Permissive, Enforcing, Lockdown}
	}
	if o.MaxSize <= 0 {
		o.MaxSize = kmod.DefaultMaxSize
	}
	c := &Checker{k: k, o: o, dec: codec.NewDecoder(), buf: spool.NewBuffer(nil, o.TempDir), loaded: map[Mode]map[string]Fact{}}
	c.Forget()
	return c
}

// Forget takes the kernel to be one that has loaded nothing yet.
func (c *Checker) Forget() {
	for _, m := range c.o.Modes {
		c.loaded[m] = map[string]Fact{}
	}
}

// Close frees the Checker.
func (c *Checker) Close() error { return c.buf.Close() }

// stage is a step with what follows from it.
type stage struct {
	Step
	in  func(Mode) []Errno // the answers in a mode; nil: Step.Errno
	log []string           // logged if it refuses
}

func (s *stage) answers(m Mode) []Errno {
	if s.in != nil {
		return s.in(m)
	}
	return s.Errno
}

// decision collects the stages of one module.
type decision struct {
	*Checker
	r      io.ReaderAt
	size   int64
	flags  Flags
	stages []stage
	auth   authentication
	mod    *module

	forced   Fact   // taint F
	forcedBy string // the first reason
}

func (d *decision) add(name, log string, errnos []Errno, format string, args ...any) {
	d.stages = append(d.stages, stage{Step: Step{name, fmt.Sprintf(format, args...), errnos}, log: nonEmpty(log)})
}

// pass notes a step that succeeds, stop one that does not.
func (d *decision) pass(name, format string, args ...any) {
	d.add(name, "", []Errno{success}, format, args...)
}

func (d *decision) stop(name string, e Errno, log, format string, args ...any) {
	d.add(name, log, []Errno{e}, format, args...)
}

// Check decides about the module file in the first size bytes of r. The error is
// one of reading r or of the temporary folder; whatever the bytes are is a result.
func (c *Checker) Check(r io.ReaderAt, size int64, req Request) (*Result, error) {
	res := &Result{}
	head := make([]byte, min(size, 16))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("reading: %w", err)
	}
	res.Compression = codec.Sniff(head)
	d := &decision{Checker: c, r: r, size: size, flags: req.Flags, forced: No}
	if err := d.run(req, res.Compression); err != nil {
		return nil, err
	}
	d.conclude(res)
	return res, nil
}

// run goes through the steps until one refuses whatever is not known.
func (d *decision) run(req Request, f kmod.Compression) error {
	if d.k.Modules == No {
		d.stop("read", eNoSys, "", "the kernel was built without CONFIG_MODULES")
		return nil
	}
	if goes, err := d.read(req, f); !goes || err != nil {
		return err
	}
	var err error
	if d.auth, err = d.k.authenticate(d.r, d.size, d.flags); err != nil {
		return err
	}
	for _, s := range d.auth.steps {
		d.stages = append(d.stages, stage{Step: s, in: func(Mode) []Errno { return []Errno{success} }})
	}
	d.policy()
	if goes, err := d.elf(); !goes || err != nil {
		return err
	}
	d.layout()
	d.vermagic()
	d.livepatch()
	d.duplicate()
	d.writable()
	d.exportTables()
	d.imports()
	d.symbols()
	if err := d.relocations(); err != nil {
		return err
	}
	d.exports()
	if err := d.types(); err != nil {
		return err
	}
	d.sysfs()
	return nil
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// duplicate looks for a module of the same name among those that were loaded.
func (d *decision) duplicate() {
	name := d.mod.name
	if !slices.ContainsFunc(d.o.Modes, func(m Mode) bool { _, ok := d.loaded[m][name]; return ok }) {
		return
	}
	s := stage{Step: Step{Name: "duplicate", Text: "a module " + name + " was given before", Errno: []Errno{success, eExist}}}
	s.in = func(m Mode) []Errno {
		was, ok := d.loaded[m][name]
		switch {
		case !ok || was == No:
			return []Errno{success}
		case was == Yes:
			return []Errno{eExist}
		}
		return []Errno{success, eExist}
	}
	d.stages = append(d.stages, s)
}

// elf reads the module as long as it may be. goes is false if it is none.
func (d *decision) elf() (goes bool, err error) {
	var bad *elfError
	var notRead *notRead
	for _, size := range d.auth.payloads {
		m, err := d.k.readModule(d.r, size)
		switch {
		case err == nil:
			d.mod = m
		case errors.As(err, &notRead):
			d.add("elf", "", []Errno{unknown}, "%v", err)
			return false, nil
		case !errors.As(err, &bad):
			return false, fmt.Errorf("reading: %w", err)
		}
	}
	switch {
	case d.mod == nil:
		d.stop("elf", eNoExec, bad.log, "%s", bad.reason)
	case bad != nil:
		d.add("elf", "", []Errno{success, eNoExec}, "if the trailer is cut off: %s", bad.reason)
	case d.mod.doubt != "":
		d.add("elf", "", []Errno{success, unknown}, "what the kernel makes of it is not known: %s", d.mod.doubt)
	default:
		d.pass("elf", "module %s, %s", d.mod.name, plural(len(d.mod.undefined), "undefined symbol"))
	}
	return d.mod != nil, nil
}

// livepatch refuses patches where the kernel cannot apply them.
func (d *decision) livepatch() {
	if _, ok := d.mod.info("livepatch"); !ok || d.k.Livepatch == Yes {
		return
	}
	errnos := []Errno{eNoExec}
	if d.k.Livepatch == Maybe {
		if d.auth.own {
			return
		}
		errnos = append(errnos, success)
	}
	d.add("livepatch", d.mod.name+": module is marked as livepatch module, but livepatch support is disabled", errnos,
		"a livepatch, which takes CONFIG_LIVEPATCH")
}

// conclude folds the stages into one answer for each mode.
func (d *decision) conclude(res *Result) {
	if d.mod != nil {
		res.Name = d.mod.name
	}
	for i := range d.stages {
		res.Steps = append(res.Steps, d.stages[i].Step)
	}
	res.Authenticated = No
	for _, o := range d.auth.outcomes {
		if !slices.Contains(res.Internal, o.errno) {
			res.Internal = append(res.Internal, o.errno)
		}
	}
	sure, some := len(d.auth.outcomes) > 0, false
	for _, o := range d.auth.outcomes {
		sure = sure && o == outcome{}
		some = some || o == outcome{} || o.errno == unknown
	}
	switch {
	case sure:
		res.Authenticated = Yes
	case some:
		res.Authenticated = Maybe
	}
	if len(d.auth.outcomes) == 0 && len(d.stages) > 0 && slices.Contains(d.stages[len(d.stages)-1].Errno, unknown) {
		res.Authenticated = Maybe
	}
	for _, m := range d.o.Modes {
		a := d.answer(m)
		d.remember(m, res.Name, a.Loads)
		res.Answers = append(res.Answers, a)
	}
}

// remember notes the fate of a module for those of the same name that follow.
func (c *Checker) remember(m Mode, name string, loads Fact) {
	if was, seen := c.loaded[m][name]; name != "" && (!seen || was == No || loads == Yes) {
		c.loaded[m][name] = loads
	}
}

func (d *decision) answer(m Mode) Answer {
	a := Answer{Mode: m, Loads: Yes}
	var stops []Errno
	for i := range d.stages {
		s := &d.stages[i]
		may := false
		for _, e := range s.answers(m) {
			if e == success || e == unknown {
				may = true
			}
			if e != success && !slices.Contains(stops, e) {
				stops = append(stops, e)
			}
		}
		if may {
			continue
		}
		a.Loads, a.Errno = No, unknown
		if len(stops) == 1 {
			a.Errno = stops[0]
			a.Log = slices.Concat(d.auth.log, s.logged(d, m))
		}
		return a
	}
	if len(stops) > 0 {
		a.Loads, a.Errno = Maybe, unknown
		return a
	}
	a.Taint = d.taint()
	a.Log = slices.Concat(d.auth.log, d.tainting(a.Taint))
	return a
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func (s *stage) logged(d *decision, m Mode) []string {
	if s.Name == "policy" {
		return nonEmpty(d.policyLog(m))
	}
	return s.log
}
