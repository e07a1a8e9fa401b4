// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A module from elsewhere, as dkms builds them: no line of the kernel's
 * modules.order, no part of its hashset. It needs a module of the kernel.
 */

#include <linux/crc7.h>
#include <linux/module.h>

static int __init outside_init(void)
{
	static const u8 text[] = "outside";

	pr_info("outside: crc7 is %02x\n", crc7_be(0, text, sizeof(text) - 1));
	return 0;
}

static void __exit outside_exit(void)
{
}

module_init(outside_init);
module_exit(outside_exit);

MODULE_DESCRIPTION("A module from elsewhere");
MODULE_LICENSE("GPL and additional rights");
