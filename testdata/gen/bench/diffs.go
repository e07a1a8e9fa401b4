// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// comparison is a row about modules that differ, against a program that takes
// seconds for each: it is given a sample of the pairs.
type comparison struct {
	name   string
	a, b   string  // trees
	factor float64 // how many times faster a module is to be, 0: the figure is for information
}

const (
	// sampleSize is how many pairs diffoscope is given.
	sampleSize = 8
	// every is how many modules there are for each one in a tree of a part of them,
	// which is still more than 500.
	every = 7
)

// comparisons makes the rows about differing modules.
func (c *corpus) comparisons(modhash, xz string) ([]row, []comparison, error) {
	if err := needDiffoscope(); err != nil {
		return nil, nil, err
	}
	older, err := c.older(xz)
	if err != nil {
		return nil, nil, err
	}
	key := filepath.Join(c.dir, "bench", "key-RSA-4096")
	resigned, err := c.once("resigned-"+filepath.Base(xz), func(dir string) error {
		return shell(modhash + " sign -q --no-sync --replace --hash sha256 --key " + key + "/key.pem --cert " + key + "/cert.pem --out " + dir + " " + xz)
	})
	if err != nil {
		return nil, nil, err
	}
	names, err := modulesOf(xz)
	if err != nil {
		return nil, nil, err
	}
	var plain [3]string
	for i, tree := range []string{older, xz, resigned} {
		if plain[i], err = c.plainPart(tree, names); err != nil {
			return nil, nil, err
		}
	}
	unpack := func(dirs ...string) string {
		return "find " + strings.Join(dirs, " ") + " -name '*.ko.xz' -print0 | xargs -0 -P2 -n 100 xz -dc"
	}
	rows := []row{
		{"diff .ko.xz, other signatures", modhash + " diff " + xz + " " + resigned, unpack(xz, resigned), "xz -dc of both, 2 at once", 1.6, 1, ""},
		{"diff .ko.xz, two versions", modhash + " diff " + older + " " + xz, unpack(older, xz), "xz -dc of both, 2 at once", 0, 1, ""},
	}
	rebuilt, err := c.once("rebuilt-"+filepath.Base(xz)+"-plain", func(dir string) error { return otherBuildIDs(plain[2], dir) })
	if err != nil {
		return nil, nil, err
	}
	// What is wanted is for builds of one source. Two versions have other code, and
	// each function of it is told; diffoscope shows the bytes.
	found := []comparison{
		{"plain, other signatures", plain[1], plain[2], 1000},
		{"plain, other signatures and build ids", plain[1], rebuilt, 1000},
		{"plain, two versions", plain[0], plain[1], 0},
		{".ko.xz, other signatures", xz, resigned, 200},
	}
	if names, err := modulesOf(older); err == nil && strings.HasSuffix(names[0], ".xz") { // those of 6.1 are plain
		found = append(found, comparison{".ko.xz, two versions", older, xz, 0})
	}
	return rows, found, nil
}

// otherBuildIDs copies a tree, with another build id in each module: what is left of a
// build in another folder where nothing else tells of the folder.
func otherBuildIDs(tree, dir string) error {
	names, err := modulesOf(tree)
	if err != nil {
		return err
	}
	header := []byte("\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00")
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil {
			return err
		}
		at := bytes.Index(b, header)
		if at < 0 || len(b)-at < len(header)+sha1.Size {
			return fmt.Errorf("%s: no build id", name)
		}
		id := b[at+len(header):][:sha1.Size]
		sum := sha1.Sum(id)
		copy(id, sum[:])
		out := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(out, b, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// needDiffoscope installs it.
func needDiffoscope() error {
	if _, err := exec.LookPath("diffoscope"); err == nil {
		return nil
	}
	return shell("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install diffoscope-minimal binutils xz-utils xxd")
}

// older is the tree of a kernel before the newest 6.12: of the same series if the
// corpus has one, else 6.1.
func (c *corpus) older(newest string) (string, error) {
	for _, role := range []string{"amd64-6.12 committed", "amd64-6.12 older", "amd64-6.1"} {
		if _, ok := c.file[role]; ok {
			if dir, err := c.tree(role, ""); err != nil || dir != newest {
				return dir, err
			}
		}
	}
	return "", fmt.Errorf("the corpus has no kernel before %s", filepath.Base(newest))
}

// plainPart decompresses some of the modules of a tree: of the names those at every
// so many places, as far as the tree has them.
func (c *corpus) plainPart(tree string, names []string) (string, error) {
	return c.once(strings.ReplaceAll(strings.TrimPrefix(tree, c.dir+"/bench/"), "/", "-")+"-plain", func(dir string) error {
		for i := 0; i < len(names); i += every {
			plain := strings.TrimSuffix(names[i], ".xz")
			out := filepath.Join(dir, plain)
			if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
				return err
			}
			var err error
			if from := filepath.Join(tree, plain); exists(from + ".xz") {
				err = shell("xz -dc " + from + ".xz >" + out)
			} else if exists(from) {
				err = shell("cp " + from + " " + out)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// modulesOf lists the modules of a tree, sorted.
func modulesOf(tree string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".ko") || strings.HasSuffix(path, ".ko.xz")) {
			names = append(names, strings.TrimPrefix(path, tree+"/"))
		}
		return err
	})
	slices.Sort(names)
	return names, err
}

// pairs lists what both trees have and what differs, the smallest first.
func (c *comparison) pairs() ([]string, error) {
	names, err := modulesOf(c.a)
	if err != nil {
		return nil, err
	}
	size := map[string]int64{}
	names = slices.DeleteFunc(names, func(name string) bool {
		a, errA := os.ReadFile(filepath.Join(c.a, name))
		b, errB := os.ReadFile(filepath.Join(c.b, name))
		size[name] = int64(len(a))
		return errA != nil || errB != nil || string(a) == string(b)
	})
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(size[x], size[y]) })
	if len(names) < 500 {
		return nil, fmt.Errorf("%d pairs, want 500", len(names))
	}
	return names, nil
}

// result is what a comparison came to.
type result struct {
	modules                  int
	ours, peer               measured // for each module
	slowest, fastest, cpuFor float64  // diffoscope's time for a pair, as a multiple of ours for each
}

// run measures a comparison: the pairs of the sample are those in the middle of as
// many equal parts of all, by size; modhash's runs over all pairs lie between.
func (c *comparison) run(modhash string, runs int) (result, error) {
	names, err := c.pairs()
	if err != nil {
		return result{}, err
	}
	var ours, peer []measured
	for i := range sampleSize {
		if i == 0 || i*runs/sampleSize != (i-1)*runs/sampleSize {
			m, err := run(modhash+" diff "+c.a+" "+c.b, 1)
			if err != nil {
				return result{}, err
			}
			ours = append(ours, m)
		}
		name := names[(2*i+1)*len(names)/(2*sampleSize)]
		m, err := run("diffoscope --no-progress "+filepath.Join(c.a, name)+" "+filepath.Join(c.b, name), 1)
		if err != nil {
			return result{}, err
		}
		peer = append(peer, m)
	}
	r := result{modules: len(names), ours: median(ours)}
	r.ours.seconds /= float64(len(names))
	r.ours.cpu /= float64(len(names))
	for _, m := range peer {
		r.peer.seconds += m.seconds / sampleSize
		r.peer.cpu += m.cpu / sampleSize
		r.peer.maxRSS = max(r.peer.maxRSS, m.maxRSS)
		times := m.seconds / r.ours.seconds
		r.slowest = max(r.slowest, times)
		if r.fastest == 0 || times < r.fastest {
			r.fastest = times
		}
	}
	r.cpuFor = r.peer.cpu / r.ours.cpu
	return r, nil
}
