// SPDX-License-Identifier: Apache-2.0
/* A module with something of everything that builds leave traces in. */

#include <linux/bug.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <generated/utsrelease.h>
#include "sample.h"

static int start = 3;
module_param(start, int, 0444);
MODULE_PARM_DESC(start, "where to start from");

static const char dated[] = "sample of " __DATE__ " " __TIME__;
static const char stamped[] = "sources of " __TIMESTAMP__;

static struct SAMPLE *state;

int sample_step(struct SAMPLE *s)
{
	if (WARN_ON(!s))
		return -EINVAL;
	s->COUNT = sample_more(s, start);
	return s->COUNT;
}
EXPORT_SYMBOL_GPL(sample_step);

#ifdef FEATURE
int sample_feature(struct SAMPLE *s)
{
	pr_info("sample: a feature that only this build has: %d\n", s->COUNT * 7);
	return sample_more(s, s->COUNT);
}
#endif

static int __init sample_init(void)
{
	state = kzalloc(sizeof(*state), GFP_KERNEL);
	if (!state)
		return -ENOMEM;
	pr_debug("sample: starts from %d\n", start);
	pr_info("%s\n", dated);
	pr_info("%s\n", stamped);
	pr_info("for " UTS_RELEASE "\n");
	return sample_step(state) < 0 ? -EINVAL : 0;
}

static void __exit sample_exit(void)
{
	kfree(state);
}

module_init(sample_init);
module_exit(sample_exit);

#ifdef OTHER_ORDER
MODULE_DESCRIPTION("sample of causes");
MODULE_AUTHOR("modhash");
#elif defined(OTHER_AUTHOR)
MODULE_AUTHOR("somebody else");
MODULE_DESCRIPTION("sample of causes");
#else
MODULE_AUTHOR("modhash");
MODULE_DESCRIPTION("sample of causes");
#endif
#ifdef INTREE
MODULE_INFO(intree, "Y");
#endif
#ifdef OTHER_VERSION
MODULE_VERSION("1.0.1");
#else
MODULE_VERSION("1.0");
#endif
MODULE_LICENSE("Dual MIT/GPL");
