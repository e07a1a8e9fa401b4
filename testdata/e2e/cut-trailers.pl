#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# usage: cut-trailers.pl <NAMES
#
# Cuts the signature off uncompressed modules, in place, by arithmetic on their
# end alone. NAMES are separated by NUL. Prints how many had one.
#
# A second opinion, so it shares nothing with the program it checks. The end of a
# signed module, from include/linux/module_signature.h of the kernel:
#
#   ...  payload
#   n    signer's name, key id, signature
#   5    algorithm, hash, kind, length of the name, length of the key id
#   3    padding
#   4    length of the signature, big endian
#   28   "~Module signature appended~\n"

use strict;
use warnings;

my $marker = "~Module signature appended~\n";
my $tail = 12 + length $marker;
my $cut = 0;

# last_bytes FILE SIZE N: the N bytes at the end.
sub last_bytes {
	my ($file, $size, $n) = @_;
	my $bytes = '';
	return $bytes if $size < $n;
	seek $file, $size - $n, 0 or die "seek: $!\n";
	die "short read\n" unless read($file, $bytes, $n) == $n;
	return $bytes;
}

local $/ = "\0";
while (my $name = <STDIN>) {
	chomp $name;
	open my $file, '+<:raw', $name or die "$name: $!\n";
	my $size = -s $file;
	my $end = last_bytes($file, $size, $tail);
	next unless substr($end, 12) eq $marker;

	my (undef, undef, undef, $signer, $key, $signature) = unpack 'C5 x3 N', $end;
	my $left = $size - $tail - $signer - $key - $signature;
	die "$name: the signature is longer than the file\n" if $left < 0;
	die "$name: two signatures\n"
		if last_bytes($file, $left, length $marker) eq $marker;
	truncate $file, $left or die "$name: $!\n";
	close $file or die "$name: $!\n";
	$cut++;
}
print "$cut\n";
