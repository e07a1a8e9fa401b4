# SPDX-License-Identifier: Apache-2.0
#
# The steps by which a kernel is built that loads its own modules by their hashes and
# others by a stable key. For packagers and for people; README.md beside this file
# says what each step is for.
#
#   make -f modhash.mk config    the certificate into the source, the options into
#                                .config, both checked
#   make -f modhash.mk build     kernel and modules; no private key is there
#   make -f modhash.mk install   modules, with their proofs, and the image, to KROOT
#   make -f modhash.mk headers   the public certificate, to HEADERS
#   make -f modhash.mk manifest  the manifest of finished packages, and check them
#
# Variables, from the environment or behind the step:

# The source tree (with the patch of kbuild/linux, or a kernel that has
# CONFIG_MODULE_HASHES), and the build tree, with .config in it.
KSOURCE ?= .
KOUTPUT ?= $(KSOURCE)
# The certificate for modules from elsewhere, PEM: a listed source file.
CERTIFICATE ?=
# hashes; or permissive for a kernel without CONFIG_MODULE_HASHES, which has modules
# without any proof, that it loads and is tainted by.
KPROFILE ?= hashes
# More edits, as "modhash kconfig" takes them.
KEDITS ?=
# Rules of "modhash lint" that are not to stop the build.
LINT_IGNORE ?=
# Arguments of the kernel's make, such as ARCH=arm64 LLVM=1.
KMAKE ?=
# The folder to install into; the folder of the headers package that
# lib/modules/RELEASE/build will be; the finished package files, and the manifest.
KROOT ?=
HEADERS ?=
PACKAGES ?=
MANIFEST ?= $(firstword $(PACKAGES)).modhash
MODHASH ?= modhash

# What a kernel takes from its builder unless it is told. A distribution's tools set
# SOURCE_DATE_EPOCH by the package's changelog.
export KBUILD_BUILD_TIMESTAMP ?= $(if $(SOURCE_DATE_EPOCH),$(shell LC_ALL=C date -u -d '@$(SOURCE_DATE_EPOCH)'))
export KBUILD_BUILD_USER ?= modhash
export KBUILD_BUILD_HOST ?= modhash
export KBUILD_BUILD_VERSION ?= 1
# Modules are hashed as they are installed: stripped, in every step.
export INSTALL_MOD_STRIP ?= 1
export MODHASH

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEOVERRIDES := # the variables above are not those of the kernel's makefile

ifneq ($(filter config build install,$(MAKECMDGOALS)),)
ifeq ($(SOURCE_DATE_EPOCH),)
$(error SOURCE_DATE_EPOCH is not set: the date of the source, in seconds since 1970)
endif
endif
ifeq ($(filter $(KPROFILE),hashes permissive),)
$(error KPROFILE is $(KPROFILE), want hashes or permissive)
endif

override KSOURCE := $(abspath $(KSOURCE))
override KOUTPUT := $(abspath $(KOUTPUT))
where = -C '$(KSOURCE)' $(if $(filter-out $(KSOURCE),$(KOUTPUT)),O='$(KOUTPUT)') $(KMAKE)
kernel = $(MAKE) $(where)
# To ask it something: the answer is all that is written.
ask = MAKEFLAGS= $(MAKE) -s --no-print-directory $(where)

edits-hashes := --set MODULE_SIG=y --hashes --set MODULE_SIG_FORCE=y
edits-permissive := --set MODULE_SIG=y --unset MODULE_SIG_ALL --set MODULE_SIG_KEY:= --unset MODULE_SIG_FORCE

# Whether a file is text, has no private key, and begins with a certificate in PEM that
# is one; a key in DER is neither text nor such a certificate.
only-certificates = { ! grep -q -a -e 'PRIVATE KEY' $(1) && grep -q -x -e '-----BEGIN CERTIFICATE-----' $(1) && \
	! LC_ALL=C grep -q -a -v -e '^[[:print:][:space:]]*$$' $(1) && '$(MODHASH)' keys export --form public-pem $(1) >/dev/null; }

.PHONY: certificate config build install headers manifest

# The build neither makes nor renews a key. Whoever wants another one changes the
# list of sources.
certificate:
	@test -n '$(CERTIFICATE)' || { echo 'CERTIFICATE is not set: the public certificate for modules from elsewhere' >&2; exit 1; }
	@test -f '$(CERTIFICATE)' || { echo 'the certificate $(CERTIFICATE) is missing: it is a source of this build, and is never made by it' >&2; exit 1; }
	@$(call only-certificates,'$(CERTIFICATE)') || { echo '$(CERTIFICATE) is not a PEM file of certificates and nothing else, as a source of a build has to be' >&2; exit 1; }

config: certificate
	install -D -m 644 '$(CERTIFICATE)' '$(KSOURCE)/certs/oot.pem'
	'$(MODHASH)' kconfig --source '$(KSOURCE)' $(edits-$(KPROFILE)) --trusted-key '$(KSOURCE)/certs/oot.pem' $(KEDITS) '$(KOUTPUT)/.config'
	+$(kernel) olddefconfig
	'$(MODHASH)' kconfig --source '$(KSOURCE)' --check $(KPROFILE) '$(KOUTPUT)/.config'
	'$(MODHASH)' lint $(if $(LINT_IGNORE),--ignore '$(LINT_IGNORE)') '$(KOUTPUT)/.config' '$(KOUTPUT)'

build: certificate
	cmp '$(CERTIFICATE)' '$(KSOURCE)/certs/oot.pem'
	'$(MODHASH)' kconfig --source '$(KSOURCE)' --check $(KPROFILE) '$(KOUTPUT)/.config'
	+$(kernel) all
	@test ! -e '$(KOUTPUT)/certs/signing_key.pem' || { echo 'the build has made a key' >&2; exit 1; }

# The kernel's makefile appends the proofs and writes modhash.manifest beside the
# modules. Nothing is signed. Its link to the build tree tells where that lay.
install:
	@test -n '$(KROOT)' || { echo 'KROOT is not set: the folder to install into' >&2; exit 1; }
	+$(kernel) INSTALL_MOD_PATH='$(abspath $(KROOT))' DEPMOD=true modules_install
	release=$$($(ask) kernelrelease); image=$$($(ask) image_name); \
	install -m 644 "$(KOUTPUT)/$$image" "$(KROOT)/lib/modules/$$release/vmlinuz"; \
	rm -f "$(KROOT)/lib/modules/$$release/build"

# Whoever builds modules against the headers can see which key they have to be
# signed by. The key itself is in no package.
headers: certificate
	@test -n '$(HEADERS)' || { echo 'HEADERS is not set: the folder that is the build link of the modules' >&2; exit 1; }
	install -D -m 644 '$(CERTIFICATE)' '$(HEADERS)/certs/oot.pem'
	@find '$(HEADERS)' -type f \( -name '*.pem' -o -name '*.key' -o -name '*.priv' -o -name '*.der' -o -name '*.p8' \) -print0 | \
	while IFS= read -r -d '' file; do \
		$(call only-certificates,"$$file") || { printf 'the headers hold %q, which may be a private key\n' "$$file" >&2; exit 1; }; \
	done

# The finished files are what is published, so they are what is looked at: their image
# is the one that was built, signed for a boot loader or not, and admits their modules,
# all of them, and nothing else by hash.
manifest: image = $(KOUTPUT)/$(shell $(ask) image_name)
manifest: certificate
	@test -n '$(PACKAGES)' || { echo 'PACKAGES is not set: the finished package files' >&2; exit 1; }
	rm -f '$(MANIFEST)'
	'$(MODHASH)' generate -o '$(MANIFEST).unchecked' $(PACKAGES)
	@digest=$$('$(MODHASH)' inspect --format json '$(image)' | sed -n 's/.*"image":{"sha256":"\([0-9a-f]*\)".*/# image: sha256 \1/p'); \
	head -n 9 '$(MANIFEST).unchecked' | grep -qxF -e "$$digest" || { echo 'the packages do not hold the image $(image)' >&2; exit 1; }
ifeq ($(KPROFILE),hashes)
	'$(MODHASH)' verify --manifest '$(MANIFEST).unchecked' --require-trailer proof \
		--image '$(image)' --keys '$(CERTIFICATE)' $(PACKAGES)
else
	'$(MODHASH)' verify --manifest '$(MANIFEST).unchecked' --require-trailer none $(PACKAGES)
endif
	mv '$(MANIFEST).unchecked' '$(MANIFEST)'
