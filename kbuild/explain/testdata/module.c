// SPDX-License-Identifier: Apache-2.0
// What a kernel module consists of, without a kernel: code, data, strings, a table
// that points at them, modinfo, versions and notes. Never loaded.

#define INFO(name, text) static const char info_##name[] __attribute__((section(".modinfo"), used, aligned(1))) = #name "=" text

#ifndef VERMAGIC
#define VERMAGIC "6.12.0-sample SMP preempt mod_unload modversions "
#endif
#ifndef SALT
#define SALT "salt of a sample"
#endif
#ifndef CRC
#define CRC 0x1234567812345678
#endif
#ifndef SRCVERSION
#define SRCVERSION "0123456789ABCDEF0123456"
#endif
#ifndef BUILT
#define BUILT "Jan  1 2026 01:02:03"
#endif

INFO(license, "GPL");
INFO(description, "a sample");
#ifndef REORDER
INFO(depends, "");
INFO(retpoline, "Y");
#else
INFO(retpoline, "Y");
INFO(depends, "");
#endif
#ifndef OUT_OF_TREE
INFO(intree, "Y");
#endif
INFO(srcversion, SRCVERSION);
INFO(name, "sample");
INFO(vermagic, VERMAGIC);

struct version { unsigned long crc; char name[56]; };
static const struct version versions[] __attribute__((section("__versions"), used)) = {
	{ 0x1111, "_printk" }, { CRC, "memcpy" }, { 0x3333, "kfree" },
};

struct note { unsigned namesz, descsz, type; char name[8]; char desc[sizeof(SALT)]; };
static const struct note salt __attribute__((section(".note.Linux"), used, aligned(4))) = { 6, sizeof(SALT), 0x100, "Linux", SALT };

int _printk(const char *, ...);
void *memcpy(void *, const void *, unsigned long);
void kfree(void *);

static int counter = 42;
static const unsigned char table[64] = { 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233 };
const char *names[] = { "first", "second", "third one", "fourth" };
int exported = 7;

#define BUG_AT(flags) asm volatile("1: ud2\n.pushsection __bug_table,\"aw\"\n2: .long 1b - .\n.long %c0 - .\n.word %c1\n.word %c2\n.popsection" : : "i" (__FILE__), "i" (__LINE__), "i" (flags))

static __attribute__((noinline)) int checked(int n)
{
	if (n > 100)
		BUG_AT(3);
	return table[n & 63] + counter;
}

static __attribute__((noinline)) int chosen(int n)
{
	switch (n) {
	case 0: return _printk("nothing\n");
	case 1: return _printk("one %s\n", names[1]);
	case 2: return checked(7);
	case 3: kfree(names); return 3;
	case 4: counter++; return 9;
	case 5: return _printk("five of %s\n", __FILE__);
	default: return -1;
	}
}

#ifdef EXTRA
__attribute__((noinline)) int added(int n) { return _printk("added %d\n", n) + counter; }
#endif

int init_module(void)
{
	counter += checked(exported);
#ifdef CHANGED
	counter += 77;
#endif
	_printk("built %s\n", BUILT);
	memcpy(names, table, sizeof names);
	return chosen(counter);
}

void cleanup_module(void)
{
	_printk("bye\n");
	chosen(0);
}
