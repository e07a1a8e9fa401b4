// SPDX-License-Identifier: Apache-2.0

typedef unsigned int u32;
struct list_head { struct list_head *next, *prev; };
struct device { struct list_head node; const char *name; u32 flags; int (*probe)(struct device *, u32); };
