#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# rebuilders-source.sh FOLDER MODHASH: makes a Debian source package of FOLDER, which
# holds modules/, that signs these modules with a key made during the build and then
# thrown away, as a kernel build does.

set -euo pipefail
mkdir -p "$1/debian/source"
cd "$1/debian"
echo '3.0 (native)' >source/format
cat >control <<'END'
Source: linux-sample
Section: kernel
Priority: optional
Maintainer: nobody <nobody@example.org>
Standards-Version: 4.7.0
Rules-Requires-Root: no

Package: linux-sample
Architecture: amd64
Description: modules signed with a throw-away key
 For a test.
END
cat >changelog <<'END'
linux-sample (6.12-1) unstable; urgency=medium

  * A test.

 -- nobody <nobody@example.org>  Fri, 02 Jan 2026 03:04:05 +0000
END
cat >rules <<END
#!/usr/bin/make -f
build binary-indep build-arch build-indep:
clean:
	rm -rf debian/linux-sample debian/files key.pem
binary binary-arch:
	umask 077 && openssl req -new -x509 -newkey rsa:2048 -nodes -days 100 -subj /CN=throw-away \\
		-keyout key.pem -out cert.pem 2>/dev/null && cat cert.pem >>key.pem
	mkdir -p debian/linux-sample/DEBIAN debian/linux-sample/usr/lib
	cp -r modules/modules debian/linux-sample/usr/lib/
	$2 sign --quiet --replace --key key.pem debian/linux-sample
	rm -f key.pem cert.pem
	dpkg-gencontrol -plinux-sample -Pdebian/linux-sample
	dpkg-deb --root-owner-group -b debian/linux-sample ..
binary: binary-arch
END
sed -i 's/^binary binary-arch:/binary-arch:/' rules
chmod 755 rules
