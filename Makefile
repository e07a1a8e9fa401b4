# SPDX-License-Identifier: Apache-2.0

# make run          build, and do the main job on built-in sample builds
# make run BUILD=A [OTHER=B]   the same on your own
# make test         everything that needs neither root nor network
# make check        format, vet, linters, imports, reproducible static program
# make corpus       download real kernels into the cache
# make e2e          the real thing: distribution kernels and tools
# make e2e-kernel   kernels that are built, booted and asked what they load
# make e2e-causes   what takes long: each lint rule on kernels that are built with and
#                   without its switch, ML-DSA on Linux 7.2, and the three commands for
#                   a kernel of one's own
# make bench        ratios against named peers, on the corpus
# make man install clean

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?=
OTHER   ?=

# One recipe for the program everywhere: static, without paths of this machine.
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-buildid=

# testdata is left out of ./... by the Go tool.
PACKAGES := ./... ./testdata/gen/... ./testdata/keys

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# How long each fuzz target runs in "make test": a number of inputs, or a time.
FUZZTIME ?= 1000x

.PHONY: build run test fuzz check reproducible vulncheck corpus e2e e2e-kernel e2e-causes bench man install clean

build:
	$(GOBUILD) -o bin/modhash ./cmd/modhash

run: build
	@PATH="$$PWD/bin:$$PATH" $(SHELL) testdata/gen/run.sh "$(BUILD)" "$(OTHER)"

test:
	$(GO) test -timeout 30m $(PACKAGES)
	$(MAKE) --no-print-directory fuzz

# Each target of each package, for a short while. That its time is over the fuzzer
# now and then reports as a failure, without an input that fails.
fuzz:
	@$(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./... | while read -r pkg dir; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | cut -c 6-); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$pkg" >.fuzz.log 2>&1 || \
				{ grep -q '^ *context deadline exceeded$$' .fuzz.log && ! grep -qE 'Failing input|panic' .fuzz.log; } || \
				{ cat .fuzz.log; rm -f .fuzz.log; exit 1; }; \
		done; \
	done; rm -f .fuzz.log

check: reproducible
	@test -z "$$(gofmt -l cmd hashset kbuild modsig testdata)" || { echo 'gofmt:'; gofmt -l cmd hashset kbuild modsig testdata; exit 1; }
	$(GO) vet $(PACKAGES)
	$(GO) run $(STATICCHECK) $(PACKAGES)
	$(GO) test -count=1 -run '^TestImports' ./cmd/modhash
	$(GO) mod tidy -diff
	@$(MAKE) --no-print-directory vulncheck

# Two builds from different folders are the same bytes, and need no library.
reproducible:
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	for copy in one another/place; do \
		mkdir -p "$$work/$$copy"; \
		tar -c --exclude=./bin --exclude=./.build . | tar -x -C "$$work/$$copy"; \
		(cd "$$work/$$copy" && $(GOBUILD) -o modhash.out ./cmd/modhash); \
	done; \
	cmp "$$work/one/modhash.out" "$$work/another/place/modhash.out"; \
	if LC_ALL=C readelf -lW "$$work/one/modhash.out" | grep -q INTERP; then echo 'the program is not static'; exit 1; fi; \
	echo "reproducible and static: $$(sha256sum <"$$work/one/modhash.out" | cut -c 1-16)"

# The database of vulnerabilities may be out of reach; what it lists may not be
# in the program. Exit code 3 is a vulnerability.
vulncheck:
	@code=0; $(GO) run $(GOVULNCHECK) ./... >.vuln.log 2>&1 || code=$$?; \
	if grep -q '^Vulnerability #' .vuln.log; then cat .vuln.log; rm -f .vuln.log; exit 1; fi; \
	if [ $$code -ne 0 ]; then echo "govulncheck: not run: $$(tail -1 .vuln.log)"; else echo 'govulncheck: nothing found'; fi; rm -f .vuln.log

corpus:
	testdata/e2e/corpus.sh

e2e: build
	testdata/e2e/run.sh

e2e-kernel: build
	testdata/e2e-kernel/run.sh

e2e-causes: build
	testdata/e2e-causes/run.sh
	testdata/e2e-causes/driver.sh

bench: build
	testdata/e2e/corpus.sh
	$(GO) run ./testdata/gen/bench

man: build
	rm -rf .build/man
	bin/modhash man .build/man

install: man
	install -D -m 755 bin/modhash $(DESTDIR)$(PREFIX)/bin/modhash
	mkdir -p $(DESTDIR)$(PREFIX)/lib/modhash
	for name in modules-merkle-tree sign-file; do ln -sf ../../bin/modhash $(DESTDIR)$(PREFIX)/lib/modhash/$$name; done
	for page in .build/man/*.1; do install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man1/$${page##*/}"; done
	mkdir -p .build/completions
	bin/modhash completion bash >.build/completions/bash
	bin/modhash completion zsh >.build/completions/zsh
	bin/modhash completion fish >.build/completions/fish
	install -D -m 644 .build/completions/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/modhash
	install -D -m 644 .build/completions/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_modhash
	install -D -m 644 .build/completions/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/modhash.fish
	cd kbuild/share && find . -type f -exec install -D -m 644 {} $(abspath $(DESTDIR)$(PREFIX))/share/modhash/{} \;
	for file in COPYING README.md module-hashes-6.12.patch; do install -D -m 644 kbuild/linux/$$file $(DESTDIR)$(PREFIX)/share/modhash/linux/$$file; done
	install -m 755 kbuild/share/kernel/modhash-kernel $(DESTDIR)$(PREFIX)/bin/
	install -m 755 kbuild/share/dkms/dkms-sign kbuild/share/dkms/dkms-sign-file $(DESTDIR)$(PREFIX)/lib/modhash/
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/lib/modhash/rebuilderd kbuild/share/rebuilderd/modhash-backend kbuild/share/rebuilderd/modhash-report kbuild/share/rebuilderd/diffoscope

clean:
	rm -rf bin .build .fuzz.log .vuln.log
