// SPDX-License-Identifier: Apache-2.0

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include "sample.h"

static const int steps[] = { 1, 2, 3, 5, 8, 13, 21, 34 };

static noinline int sample_clamp(int n)
{
	return clamp_t(int, n, 0, ARRAY_SIZE(steps) - 1);
}

/* Compilers make something else of a loop with every version. */
static noinline int sample_sum(const char *p, int n)
{
	int sum = 0, i;

	for (i = 0; i < n; i++)
		sum += p[i] * (i & 3 ? 3 : 5);
	return sum;
}

int sample_more(struct SAMPLE *s, int by)
{
	int n = sample_clamp(s->COUNT + by);

	WARN_ONCE(n == 5, "sample: %d steps by %pS\n", n, __builtin_return_address(0));
	return steps[n] + (s->COUNT > 99 ? sample_sum((const char *)steps, n) : 0);
}
