// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"regexp"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
)

var environmentRules = []Rule{{
	ID:    "build-timestamp",
	Why:   "the time of the build goes into the kernel's version text, into a built-in initramfs and into the archive of headers",
	check: buildTimestamp,
}, {
	ID:    "timestamp-zone",
	Why:   "the built-in initramfs takes a time without a zone for local time, so that it depends on where it is built",
	check: timestampZone,
}, {
	ID:    "timestamp-form",
	Why:   "the built-in initramfs, also the one that every kernel has, carries the current time instead of a time that date(1) cannot read",
	check: timestampForm,
}, {
	ID:    "build-user",
	Why:   "the name of the user who builds goes into the kernel's version text",
	check: buildUser,
}, {
	ID:    "build-host",
	Why:   "the name of the host that builds goes into the kernel's version text",
	check: buildHost,
}, {
	ID:    "build-version",
	Why:   "the number in the kernel's version text (#1) counts the builds in one folder, so that a second build there differs from the first",
	check: buildVersion,
}, {
	ID:    "localversion-auto",
	Why:   "the release depends on the state of a git tree that may not be there, or not be clean, where it is built again; it stands in each module and in the name of their folder",
	check: localversionAuto,
}, {
	ID:    "initramfs-mtime",
	Why:   "the files of the built-in initramfs carry the time at which they were made, unless the time of the build is given",
	check: initramfsMtime,
}, {
	ID:    "ikheaders",
	Why:   "the archive of headers carries the time at which the files were made, unless the time of the build is given, and depends on the version of xz",
	check: ikheaders,
}}

// env reports whether the environment is known, and what to do if not.
func (r *run) env() bool {
	if r.Env == nil {
		r.unknown("the environment of the build is not known")
	}
	return r.Env != nil
}

// unset reports a variable of the environment that is to be set.
func (r *run) unset(sev Severity, variable, value, fix string) {
	if strings.TrimSpace(value) == "" {
		r.foundEnv(sev, variable, fix, "it is unset or empty")
	}
}

const fixTimestamp = "KBUILD_BUILD_TIMESTAMP=@SECONDS, such as the time of the commit or of the last changelog entry"

func buildTimestamp(r *run) {
	if !r.env() {
		return
	}
	r.unset(Error, "KBUILD_BUILD_TIMESTAMP", r.Env.Timestamp, fixTimestamp)
	if relative.MatchString(r.Env.Timestamp) {
		r.foundEnv(Error, "KBUILD_BUILD_TIMESTAMP", fixTimestamp, "%s depends on when it is read", quote(r.Env.Timestamp))
	}
}

// What date(1) makes of a time. These are no parsers: they tell apart what is in
// use, and let pass what they do not know.
var (
	relative = regexp.MustCompile(`(?i)\b(now|today|yesterday|tomorrow|ago|next|last|noon|midnight)\b`)

	// zone is the seconds of the epoch, a name, or an offset behind a time of day.
	zone = regexp.MustCompile(`^\s*@\d|\b(?i:UTC|GMT|Z)\b|\b[A-Z]{2,4}T\b|\d:\d\d(:\d\d(\.\d+)?)?\s*((?i:Z)\b|[+-]\d\d)`)

	// version is a number with two dots, and seconds are those without the "@".
	version = regexp.MustCompile(`\d+\.\d+\.\d`)
	seconds = regexp.MustCompile(`^\s*\d{9,11}\s*$`)
	letters = regexp.MustCompile(`[A-Za-z]+`)
	// word is a month, a day, a zone or a half of a day.
	word = regexp.MustCompile(`^((?i:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec|january|february|march|april|june|july|august|september|october|november|december|` +
		`mon|tues?|wed|wednes|thu|thurs?|fri|sat|satur|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday|am|pm|utc|gmt|t|z|dst)|[A-Z]{1,5})$`)
)

func timestampZone(r *run) {
	if r.Env == nil || strings.TrimSpace(r.Env.Timestamp) == "" || relative.MatchString(r.Env.Timestamp) {
		return // the rule build-timestamp tells
	}
	if !zone.MatchString(r.Env.Timestamp) {
		r.foundEnv(Warning, "KBUILD_BUILD_TIMESTAMP", "add UTC, or give KBUILD_BUILD_TIMESTAMP=@SECONDS", "%s names no time zone", quote(r.Env.Timestamp))
	}
}

func timestampForm(r *run) {
	initrd, ok := r.Config.Get("BLK_DEV_INITRD")
	if r.Env == nil || strings.TrimSpace(r.Env.Timestamp) == "" || relative.MatchString(r.Env.Timestamp) || ok && initrd != kconfig.Yes {
		return
	}
	t := r.Env.Timestamp
	bad := strings.Contains(t, "#") || version.MatchString(t) || seconds.MatchString(t)
	for _, w := range letters.FindAllString(t, -1) {
		bad = bad || !word.MatchString(w)
	}
	if bad {
		r.foundEnv(Warning, "KBUILD_BUILD_TIMESTAMP", fixTimestamp, "%s is no time that date(1) reads", quote(t))
	}
}

func buildUser(r *run) {
	if r.env() {
		r.unset(Error, "KBUILD_BUILD_USER", r.Env.User, "any fixed name, such as KBUILD_BUILD_USER=builder")
	}
}

func buildHost(r *run) {
	if r.env() {
		r.unset(Error, "KBUILD_BUILD_HOST", r.Env.Host, "any fixed name, such as KBUILD_BUILD_HOST=host")
	}
}

func buildVersion(r *run) {
	if !r.env() {
		return
	}
	if r.Tree != nil && r.Tree.BuildVersion != "" && strings.TrimSpace(r.Env.Version) == "" {
		r.foundEnv(Error, "KBUILD_BUILD_VERSION", "KBUILD_BUILD_VERSION=1", "it is unset or empty, and .version says that there was a build number %s", quote(r.Tree.BuildVersion))
		return
	}
	r.unset(Warning, "KBUILD_BUILD_VERSION", r.Env.Version, "KBUILD_BUILD_VERSION=1")
}

func localversionAuto(r *run) {
	if r.is("LOCALVERSION_AUTO") {
		r.found(Warning, "LOCALVERSION_AUTO", "\"# CONFIG_LOCALVERSION_AUTO is not set\", and LOCALVERSION= in the environment of make, without which a git tree adds a \"+\"; a fixed text goes to CONFIG_LOCALVERSION", "%s", r.says("LOCALVERSION_AUTO"))
	}
}

func initramfsMtime(r *run) {
	source, _ := r.text("INITRAMFS_SOURCE")
	if source == "" || !r.env() {
		return
	}
	if strings.TrimSpace(r.Env.Timestamp) == "" {
		r.found(Error, "INITRAMFS_SOURCE", fixTimestamp, "%s, and KBUILD_BUILD_TIMESTAMP is unset or empty", r.says("INITRAMFS_SOURCE"))
	}
}

func ikheaders(r *run) {
	if !r.on("IKHEADERS") || !r.env() {
		return
	}
	const fix = "\"# CONFIG_IKHEADERS is not set\", or KBUILD_BUILD_TIMESTAMP and one version of xz"
	if strings.TrimSpace(r.Env.Timestamp) == "" {
		r.found(Error, "IKHEADERS", fix, "%s, and KBUILD_BUILD_TIMESTAMP is unset or empty", r.says("IKHEADERS"))
		return
	}
	r.found(Note, "IKHEADERS", fix, "%s: builders must have one version of xz", r.says("IKHEADERS"))
}
