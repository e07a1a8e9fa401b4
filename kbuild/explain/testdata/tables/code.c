// SPDX-License-Identifier: Apache-2.0
// Code for which objtool writes unwind tables, checksums of exported symbols as modpost
// writes them, and strings that are longer than a compiler leaves without alignment.
// Never run.

#ifndef CRC
#define CRC 0x01234567
#endif
#define EXPORT(name, crc) asm(".pushsection __kcrctab,\"a\"\n.balign 4\n__crc_" #name ": .long " #crc "\n.popsection")
#define NUMBER(name, crc) EXPORT(name, crc)

NUMBER(first, 0x89abcdef);
NUMBER(second, CRC);

int outside(const char *, const char *, int);

__attribute__((noinline)) int first(int n)
{
	return outside("first", __FILE__, n) + 1;
}

__attribute__((noinline)) int second(int n)
{
	int word[12] = { n };
#ifdef CHANGED
	outside("changed", "more", n);
	word[3] = outside("one of a string that is as long as this one", __FILE__, n);
#endif
	return outside("second, with a string that is aligned for its length", __FILE__, word[n & 7]) + word[n & 3];
}

__attribute__((noinline)) int third(int n)
{
	return outside("third", "a file", first(n)) * second(n) + 3;
}
