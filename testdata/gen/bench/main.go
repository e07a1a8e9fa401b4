// SPDX-License-Identifier: Apache-2.0

// Command bench measures modhash against named peers, whole processes on real
// kernels, and prints a table of ratios. The two sides of a row run in turn, so
// that a machine that changes its speed changes both; the figures are medians.
//
// It reads the corpus that testdata/e2e/corpus.sh fetched, and runs bin/modhash.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	runs := flag.Int("n", 5, "counted runs of each side, after one that is not counted")
	only := flag.String("only", "", "run the rows whose name contains this")
	flag.Parse()
	missed, err := bench(*runs, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d targets missed\n", missed)
		os.Exit(1)
	}
}

// row is one job with its peer.
type row struct {
	name   string
	ours   string // shell commands
	peer   string
	called string  // the peer, for the table
	target float64 // of ours/peer
	exit   int     // expected exit code of ours

	prepare string // shell commands before each run of each side, not counted
}

const maxMemory = 150 // MB

// measured is one finished run.
type measured struct {
	seconds float64
	cpu     float64 // seconds of user and system time
	maxRSS  int64   // KiB
}

func bench(runs int, only string) (missed int, err error) {
	modhash, err := filepath.Abs("bin/modhash")
	if err != nil {
		return 0, err
	}
	c, err := openCorpus()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.aside())) }()
	plain, err := c.tree("amd64-6.1", "")
	if err != nil {
		return 0, err
	}
	xz, err := c.tree("amd64-6.12", "")
	if err != nil {
		return 0, err
	}
	copied, err := c.tree("amd64-6.12", "-copy")
	if err != nil {
		return 0, err
	}
	build, err := c.buildTree(plain)
	if err != nil {
		return 0, err
	}
	old, err := c.kernel("amd64-6.1", plain)
	if err != nil {
		return 0, err
	}
	latest, err := c.kernel("amd64-6.12", xz)
	if err != nil {
		return 0, err
	}
	cert, err := c.certificate(modhash, old.image)
	if err != nil {
		return 0, err
	}
	find := func(pattern string, dirs ...string) string {
		return "find " + strings.Join(dirs, " ") + " -type f -name '" + pattern + "' -print0 | xargs -0 -P2 "
	}
	rows := []row{
		{"hash plain, flat", modhash + " generate --no-image --hashset flat " + plain, find("*.ko", plain) + "-n 200 openssl dgst -sha256", "openssl dgst -sha256, 2 at once", 0.9, 0, ""},
		{"hash plain, Merkle", modhash + " generate --no-image " + plain, find("*.ko", plain) + "-n 200 openssl dgst -sha256", "openssl dgst -sha256, 2 at once", 1.7, 0, ""},
		{"hash .ko.xz, Merkle", modhash + " generate --no-image " + xz, find("*.ko.xz", xz) + "-n 100 xz -dc | sha256sum", "xz -dc, 2 at once, to sha256sum", 1.4, 0, ""},
		{"modules-merkle-tree", "env -C " + build + " " + modhash + " modules-merkle-tree .tmp_module_hashes.c .ko", find("*.ko", plain) + "-n 200 openssl dgst -sha256", "openssl dgst -sha256, 2 at once", 1.7, 0, ""},
		{"verify signatures as shipped", modhash + " verify --keys " + cert + " " + plain, modhash + " generate --no-image " + plain, "modhash generate of the same", 2.0, 0, ""},
		{"read kernel image 6.1", modhash + " inspect " + old.image, old.decoder + " -dc " + old.payload, old.decoder + " -dc of its payload", 1.5, 0, ""},
		{"read kernel image 6.12", modhash + " inspect " + latest.image, latest.decoder + " -dc " + latest.payload, latest.decoder + " -dc of its payload", 1.5, 0, ""},
		{"diff of equal .ko.xz", modhash + " diff " + xz + " " + copied, find("*", xz, copied) + "-n 200 cat", "cat of both, 2 at once", 2.0, 0, ""},
	}
	signing, err := c.signing(modhash, plain)
	if err != nil {
		return 0, err
	}
	rows = append(rows, signing...)
	differing, comparisons, err := c.comparisons(modhash, xz)
	if err != nil {
		return 0, err
	}
	rows = append(rows, differing...)
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "job\tmodhash\tpeer\tratio\tof CPU time\ttarget\tmemory\tpeer's\tpeer is")
	for _, r := range rows {
		if !strings.Contains(r.name, only) {
			continue
		}
		ours, peer, err := pair(r, runs)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", r.name, err)
		}
		ratio, mem := ours.seconds/peer.seconds, ours.maxRSS/1024
		verdict, target := "ok", fmt.Sprintf("%.2f", r.target)
		if r.target == 0 {
			target = "memory"
		}
		if r.target > 0 && ratio > r.target || mem > maxMemory {
			verdict = "MISSED"
			missed++
		}
		fmt.Fprintf(tw, "%s\t%.3f s\t%.3f s\t%.2f\t%.2f\t%s %s\t%d MB\t%d MB\t%s\n", r.name, ours.seconds, peer.seconds, ratio, ours.cpu/peer.cpu, target, verdict, mem, peer.maxRSS/1024, r.called)
	}
	if err := tw.Flush(); err != nil {
		return missed, err
	}
	fmt.Fprintln(tw, "\ndiff, for each module\tmodules\tmodhash\tdiffoscope\ttimes\tspread\tof CPU time\ttarget\tmemory\tdiffoscope's")
	for _, x := range comparisons {
		if !strings.Contains(x.name, only) {
			continue
		}
		r, err := x.run(modhash, runs)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", x.name, err)
		}
		times, mem, verdict := r.peer.seconds/r.ours.seconds, r.ours.maxRSS/1024, "ok"
		target := fmt.Sprintf("%.0f", x.factor)
		if x.factor == 0 {
			target = "memory"
		}
		if times < x.factor || mem > maxMemory {
			verdict = "MISSED"
			missed++
		}
		fmt.Fprintf(tw, "%s\t%d\t%.2f ms\t%.2f s\t%.0f\t%.0f to %.0f\t%.0f\t%s %s\t%d MB\t%d MB\n", x.name, r.modules, 1000*r.ours.seconds, r.peer.seconds, times,
			r.fastest, r.slowest, r.cpuFor, target, verdict, mem, r.peer.maxRSS/1024)
	}
	return missed, tw.Flush()
}

// pair runs both sides in turn and returns the medians; of memory the maximum.
func pair(r row, runs int) (ours, peer measured, err error) {
	var a, b []measured
	for i := range runs + 1 {
		if err := r.ready(); err != nil {
			return ours, peer, err
		}
		x, err := run(r.ours, r.exit)
		if err != nil {
			return ours, peer, err
		}
		if err := r.ready(); err != nil {
			return ours, peer, err
		}
		y, err := run(r.peer, 0)
		if err != nil {
			return ours, peer, err
		}
		if i > 0 {
			a, b = append(a, x), append(b, y)
		}
	}
	return median(a), median(b), nil
}

func median(ms []measured) measured {
	var s, cpu []float64
	var m measured
	for _, x := range ms {
		s, cpu = append(s, x.seconds), append(cpu, x.cpu)
		m.maxRSS = max(m.maxRSS, x.maxRSS)
	}
	slices.Sort(s)
	slices.Sort(cpu)
	m.seconds, m.cpu = s[len(s)/2], cpu[len(cpu)/2]
	return m
}

// run runs a shell command with its output thrown away.
func run(command string, exit int) (measured, error) {
	cmd := exec.Command("sh", "-c", command+" >/dev/null")
	if !strings.Contains(command, "|") {
		cmd = exec.Command("sh", "-c", "exec "+command+" >/dev/null")
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	begin := time.Now()
	err := cmd.Run()
	m := measured{seconds: time.Since(begin).Seconds()}
	if cmd.ProcessState != nil {
		m.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		return m, err
	}
	if got := cmd.ProcessState.ExitCode(); got != exit {
		return m, fmt.Errorf("%s: exit code %d: %.300s", command, got, errs.String())
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.maxRSS = u.Maxrss
	}
	return m, nil
}

// certificate writes that of the key that a build signed its modules with. The
// program does it: an image that is decoded here would count as the memory of each
// program that is started from here.
func (c *corpus) certificate(modhash, kernel string) (string, error) {
	out := filepath.Join(c.dir, "bench", filepath.Base(kernel)+".der")
	return out, shell(modhash + " keys extract -q --der --select build -o " + out + " " + kernel)
}

// corpus is the cache that the end-to-end tests share.
type corpus struct {
	dir  string
	file map[string]string // role to package file
}

func openCorpus() (*corpus, error) {
	dir := os.Getenv("MODHASH_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(base, "modhash")
	}
	table, err := os.ReadFile(filepath.Join(dir, "corpus.tsv"))
	if err != nil {
		return nil, fmt.Errorf("%w (make corpus fetches it)", err)
	}
	c := &corpus{dir, map[string]string{}}
	lines := strings.Split(string(table), "\n")
	col := map[string]int{}
	for i, name := range strings.Split(strings.TrimPrefix(lines[0], "# "), "\t") {
		col[name] = i
	}
	for _, l := range lines[1:] {
		f := strings.Split(l, "\t")
		if len(f) != len(col) {
			continue
		}
		role := f[col["role"]]
		if state := f[col["state"]]; state != "newest" {
			role += " " + state
		}
		c.file[role] = f[col["file"]]
	}
	return c, nil
}

// tree unpacks a package into the cache, once, and returns its modules folder.
func (c *corpus) tree(role, copy string) (string, error) {
	file, ok := c.file[role]
	if !ok {
		return "", fmt.Errorf("the corpus has no %s", role)
	}
	file = filepath.Join(c.dir, "deb", file)
	dir := filepath.Join(c.dir, "bench", strings.TrimSuffix(filepath.Base(file), ".deb")+copy)
	if _, err := os.Stat(dir); err != nil {
		tmp := dir + ".part"
		if err := os.RemoveAll(tmp); err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
			return "", err
		}
		if out, err := exec.Command("dpkg-deb", "-x", file, tmp).CombinedOutput(); err != nil {
			return "", fmt.Errorf("dpkg-deb -x %s: %w: %s", file, err, out)
		}
		if err := os.Rename(tmp, dir); err != nil {
			return "", err
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "lib/modules/*"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%s: %d folders of modules, %w", dir, len(found), err)
	}
	return found[0], nil
}

// buildTree makes a build tree of installed modules, once, by hard links.
func (c *corpus) buildTree(modules string) (string, error) {
	dir := filepath.Join(c.dir, "bench", filepath.Base(modules)+"-build")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp := dir + ".new"
	order, err := os.ReadFile(filepath.Join(modules, "modules.order"))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if out, err := exec.Command("cp", "-al", filepath.Join(modules, "kernel"), tmp).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cp -al: %w: %s", err, out)
	}
	lines := strings.ReplaceAll("\n"+string(order), "\nkernel/", "\n")
	lines = strings.ReplaceAll(lines[1:], ".ko\n", ".o\n")
	if err := os.WriteFile(filepath.Join(tmp, "modules.order"), []byte(lines), 0o644); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

// kernel is a kernel image with its compressed payload cut out.
type kernel struct{ image, payload, decoder string }

// kernel finds the image beside a tree of modules and cuts its payload out, as
// the boot protocol of x86 says: in the header, setup_sects is at 0x1f1,
// payload_offset at 0x248, payload_length at 0x24c; the payload ends in its
// decoded size, 4 bytes.
func (c *corpus) kernel(role, modules string) (kernel, error) {
	root := filepath.Dir(filepath.Dir(filepath.Dir(modules)))
	found, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return kernel{}, fmt.Errorf("%s: %d kernel images, %w", root, len(found), err)
	}
	k := kernel{image: found[0], payload: filepath.Join(c.dir, "bench", role+".payload")}
	b, err := os.ReadFile(k.image)
	if err != nil {
		return kernel{}, err
	}
	if len(b) < 0x250 {
		return kernel{}, fmt.Errorf("%s: too short", k.image)
	}
	le := binary.LittleEndian
	off := (int(b[0x1f1])+1)*512 + int(le.Uint32(b[0x248:]))
	end := off + int(le.Uint32(b[0x24c:])) - 4
	if off > end || end > len(b) {
		return kernel{}, fmt.Errorf("%s: no payload", k.image)
	}
	for magic, decoder := range map[string]string{"\xfd7zXZ\x00": "xz", "\x28\xb5\x2f\xfd": "zstd", "\x02\x21\x4c\x18": "lz4", "\x1f\x8b": "gzip"} {
		if bytes.HasPrefix(b[off:], []byte(magic)) {
			k.decoder = decoder
		}
	}
	if k.decoder == "" {
		return kernel{}, fmt.Errorf("%s: compressed with something else", k.image)
	}
	return k, os.WriteFile(k.payload, b[off:end], 0o644)
}
