// SPDX-License-Identifier: Apache-2.0

#include "types.h"

struct first {
	struct device dev;
	u32 count;
#ifdef MEMBER
	unsigned long added;
#endif
	struct second *peer;
};

static int first_probe(struct device *d, u32 n) { return d->flags + n; }

int first_init(struct first *f)
{
	f->dev.probe = first_probe;
	return f->count;
}
