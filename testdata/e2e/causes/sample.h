/* SPDX-License-Identifier: Apache-2.0 */

struct sample {
	int count;
	const char *name;
};

/* Code that uses one or the other is the same. */
struct other {
	int number;
	const char *text;
};

#ifdef OTHER_TYPE
#define SAMPLE other
#define COUNT number
#else
#define SAMPLE sample
#define COUNT count
#endif

int sample_more(struct SAMPLE *s, int by);
