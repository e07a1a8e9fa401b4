// SPDX-License-Identifier: Apache-2.0

#include "types.h"

struct second {
	struct list_head all;
	union { u32 word; unsigned char byte[4]; } u;
	enum { NONE, SOME, ALL } how;
};
typedef struct second *second_p;

static const char *const words[] = { "a", "b" };

const char *second_word(second_p s, unsigned n) { return words[n & 1] + s->u.byte[0]; }
int second_how(volatile struct second *s) { return s->how; }
