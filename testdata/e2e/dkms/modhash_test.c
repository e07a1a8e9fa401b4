// SPDX-License-Identifier: Apache-2.0

#include <linux/init.h>
#include <linux/module.h>

static int __init modhash_test_init(void)
{
	pr_info("modhash_test: loaded\n");
	return 0;
}

static void __exit modhash_test_exit(void)
{
}

module_init(modhash_test_init);
module_exit(modhash_test_exit);
MODULE_DESCRIPTION("a module outside of the kernel's tree");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION("1.0");
