#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the sample packages in this folder with other people's tools, and beside
# each what another tool says is in it. See README.md for what is needed.
#
#	sudo ./make.sh OUTPUT-FOLDER
#
# Needs root for device nodes and capabilities. Steps whose tool is missing, or
# too old, are skipped with a message.
set -eu
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1700000000
umask 022
here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# listing FILE: metadata and contents of an archive as libarchive sees them, one
# member per line.
listing() {
	bsdtar -cf - --format=mtree --options='mtree:!all,mtree:type,mtree:mode,mtree:uid,mtree:gid,mtree:uname,mtree:gname,mtree:time,mtree:size,mtree:link,mtree:device,mtree:sha256' "@$1"
}

# ---- the tree
tree=$work/tree
long=long/$(printf 'folder-name-that-is-long-%s/' 1 2 3 4 5)$(printf 'name%.0s' $(seq 30))
mkdir -p "$tree/usr/lib/modules/6.1.0-x/kernel/fs" "$tree/usr/bin" "$tree/$(dirname "$long")"
printf 'module one' >"$tree/usr/lib/modules/6.1.0-x/kernel/fs/one.ko"
printf 'kernel/fs/one.o\n' >"$tree/usr/lib/modules/6.1.0-x/modules.order"
: >"$tree/usr/lib/modules/6.1.0-x/empty"
ln -s /usr/src/linux "$tree/usr/lib/modules/6.1.0-x/build"
printf tool >"$tree/usr/bin/tool"
ln "$tree/usr/bin/tool" "$tree/usr/bin/tool2"
chmod 4755 "$tree/usr/bin/tool"
printf 'deep\n' >"$tree/$long"
find "$tree" -exec touch -h -d @1700000000 {} +

# ---- Debian packages
mkdir "$work/deb" && cp -a "$tree/usr" "$work/deb"
mkdir "$work/deb/DEBIAN"
cat >"$work/deb/DEBIAN/control" <<END
Package: modhash-sample
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: sample
END
printf '#!/bin/sh\nexit 0\n' >"$work/deb/DEBIAN/postinst"
chmod 755 "$work/deb/DEBIAN/postinst"
find "$work/deb" -exec touch -h -d @1700000000 {} +
for z in none gzip xz zstd; do
	deb=$out/deb-$z.deb
	dpkg-deb --root-owner-group -Z$z --uniform-compression -b "$work/deb" "$deb" >/dev/null
	dpkg-deb --fsys-tarfile "$deb" >"$work/data.tar"
	dpkg-deb --ctrl-tarfile "$deb" >"$work/control.tar"
	listing "$work/data.tar" >"$deb.mtree"
	listing "$work/control.tar" >"$deb.control.mtree"
done
# What dpkg-deb reads but no longer makes. GNU ar ends names with a slash.
dpkg-deb --fsys-tarfile "$out/deb-none.deb" >"$work/data.tar"
dpkg-deb --ctrl-tarfile "$out/deb-none.deb" >"$work/control.tar"
printf '2.0\n' >"$work/debian-binary"
(
	cd "$work"
	gzip -nk control.tar
	bzip2 -k data.tar
	xz -k --format=lzma data.tar
	ar -qcSD deb-bzip2.deb debian-binary control.tar.gz data.tar.bz2
	ar -qcSD deb-lzma.deb debian-binary control.tar data.tar.lzma
)
for z in bzip2 lzma; do
	deb=$out/deb-$z.deb
	cp "$work/deb-$z.deb" "$deb"
	dpkg-deb --fsys-tarfile "$deb" >"$work/data.tar"
	dpkg-deb --ctrl-tarfile "$deb" >"$work/control.tar"
	listing "$work/data.tar" >"$deb.mtree"
	listing "$work/control.tar" >"$deb.control.mtree"
done

# ---- tar and cpio
special=$work/special
cp -a "$tree" "$special"
mkdir "$special/dev"
mknod "$special/dev/null" c 1 3
mknod "$special/dev/sda" b 8 1
mkfifo "$special/dev/pipe"
truncate -s 200000 "$special/sparse"
printf middle | dd of="$special/sparse" bs=1 seek=100000 conv=notrunc status=none
printf end | dd of="$special/sparse" bs=1 seek=190000 conv=notrunc status=none
chmod 1777 "$special/dev"
if command -v setcap >/dev/null; then setcap cap_net_raw+ep "$special/usr/bin/tool2"; fi
find "$special" -exec touch -h -d @1700000000 {} +
touch -d '2024-01-02 03:04:05.123456789Z' "$special/usr/lib/modules/6.1.0-x/empty"
gtar() { tar -b 2 --sort=name --owner=root:0 --group=adm:4 -C "$special" "$@" .; }
gtar --format=v7 --exclude=./long --exclude=./dev --exclude=./sparse -cf "$out/v7.tar"
gtar --format=ustar --exclude=./long --exclude=./sparse -cf "$out/ustar.tar"
gtar --format=gnu --exclude=./sparse -czf "$out/gnu.tar.gz"
gtar --format=oldgnu -S -cf "$out/gnu-sparse.tar"
for v in 0.0 0.1 1.0; do gtar --format=pax --pax-option=delete=atime,delete=ctime -S --sparse-version=$v -czf "$out/pax-sparse-$v.tar.gz"; done
gtar --format=pax --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='*' --exclude=./sparse -cJf "$out/pax-xattr.tar.xz"
bsdtar --format=pax --xattrs --exclude=./sparse --zstd -C "$special" -cf "$out/bsdtar-pax.tar.zst" .
tar --sort=name --owner=root:0 --group=root:0 -C "$tree" -cjf "$out/gnu.tar.bz2" usr
(cd "$special" && find . ! -name sparse | sort | cpio --quiet -o -H newc -R root:root >"$out/newc.cpio")
(cd "$special" && find . ! -name sparse | sort | cpio --quiet -o -H crc -R root:root | gzip -n >"$out/crc.cpio.gz")
bsdtar --format=newc --exclude=./sparse -C "$special" -cf "$out/bsdtar.cpio" .
for f in "$out"/*.tar "$out"/*.tar.* "$out"/*.cpio "$out"/*.cpio.gz; do
	case $f in *.mtree) ;; *) listing "$f" >"$f.mtree" ;; esac
done
# libarchive leaves the holes out of its digest, so that of GNU tar goes in.
for f in "$out"/*-sparse*.tar "$out"/*-sparse*.tar.gz; do
	sum=$(tar -xOf "$f" ./sparse | sha256sum | cut -d' ' -f1)
	sed -i "/^\.\/sparse /s/sha256digest=[0-9a-f]*/sha256digest=$sum/" "$f.mtree"
done

# ---- pacman packages
if command -v makepkg >/dev/null; then
	pkg=$work/pkg && mkdir "$pkg" && cp "$here/PKGBUILD" "$pkg" && chmod -R a+rwX "$work" "$pkg"
	for z in gz xz zst; do
		su -s /bin/sh nobody -c "cd $pkg && HOME=$pkg SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH PKGEXT=.pkg.tar.$z makepkg -df" >/dev/null 2>&1
		cp "$pkg"/*.pkg.tar.$z "$out/sample.pkg.tar.$z"
		listing "$out/sample.pkg.tar.$z" >"$out/sample.pkg.tar.$z.mtree"
	done
else
	echo "no makepkg: pacman packages not made" >&2
fi

# ---- rpm packages
# rpm_sample NAME FORMAT PAYLOAD
rpm_sample() {
	rm -rf "$work/rpms"
	rpmbuild -bb --quiet --define "_topdir $work/top" --define "_rpmdir $work/rpms" \
		--define "_rpmformat $2" --define "_binary_payload $3" --define "_buildhost sample" \
		--define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
		--define "build_mtime_policy clamp_to_source_date_epoch" --define "_build_id_links none" \
		"$here/sample.spec" >/dev/null 2>&1
	cp "$work"/rpms/*/*.rpm "$out/$1.rpm"
	rpm -qp --qf '[%{FILEMODES:octal} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEMTIMES} %{LONGFILESIZES} %{FILENAMES} link=%{FILELINKTOS} flags=%{FILEFLAGS} digest=%{FILEDIGESTS} caps=%{FILECAPS}\n]' "$out/$1.rpm" >"$out/$1.rpm.list"
}
if command -v rpmbuild >/dev/null; then
	case $(rpm --version) in
	*' 6.'*)
		rpm_sample rpm6-none 6 w.ufdio
		rpm_sample rpm6-zstd 6 w19.zstdio
		;;
	*)
		rpm_sample rpm4-none 4 w.ufdio
		rpm_sample rpm4-gzip 4 w9.gzdio
		rpm_sample rpm4-bzip2 4 w9.bzdio
		rpm_sample rpm4-xz 4 w6.xzdio
		rpm_sample rpm4-lzma 4 w9.lzdio
		rpm_sample rpm4-zstd 4 w19.zstdio
		;;
	esac
else
	echo "no rpmbuild: rpm packages not made" >&2
fi
