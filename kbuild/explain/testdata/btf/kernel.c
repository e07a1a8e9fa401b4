// SPDX-License-Identifier: Apache-2.0
// The types of a kernel. Never run.

#include "types.h"

#ifdef MORE
struct more { struct more *next; short number; };
int more_numbers(struct more *m) { return m->number; }
#endif

enum state { IDLE, BUSY };
int kernel_register(struct device *d, enum state s) { return d->flags + s; }
