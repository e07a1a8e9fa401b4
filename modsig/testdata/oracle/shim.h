/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the kernel's signature code needs of the kernel, in user space. */
#ifndef SHIM_H
#define SHIM_H
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t time64_t;

#define likely(x) (x)
#define unlikely(x) (x)
#define __init
#define __counted_by(x)
#define EXPORT_SYMBOL_GPL(x)
#define MODULE_DESCRIPTION(x)
#define MODULE_AUTHOR(x)
#define MODULE_LICENSE(x)
#define IS_REACHABLE(x) 1
#define CONFIG_ASYMMETRIC_KEY_TYPE 1
#define CONFIG_ASYMMETRIC_PUBLIC_KEY_SUBTYPE 1
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define fallthrough __attribute__((fallthrough))
#define WARN_ON_ONCE(x) ({ int w_ = !!(x); if (w_) fprintf(stderr, "WARN %s\n", #x); w_; })
#define WARN_ON(x) WARN_ON_ONCE(x)
#define BUG_ON(x) do { if (x) { fprintf(stderr, "BUG %s\n", #x); abort(); } } while (0)
#define might_sleep() do { } while (0)
#define quiet(...) do { if (0) printf(__VA_ARGS__); } while (0)
#define pr_debug(...) do { } while (0)
#define pr_devel(...) do { } while (0)
#define pr_err(...) do { } while (0)
#define pr_warn(...) do { } while (0)
#define pr_warn_once(...) do { } while (0)
#define pr_notice(...) do { } while (0)
#define pr_notice_once(...) do { } while (0)
#define printk(...) do { } while (0)

#define GFP_KERNEL 0
#define kmalloc(n, f) malloc((n) ? (n) : 1)
#define kzalloc(n, f) calloc(1, (n) ? (n) : 1)
#define kzalloc_obj(o) calloc(1, sizeof(o))
#define kmalloc_obj(o) malloc(sizeof(o))
#define kfree(p) free((void *)(p))
#define kfree_sensitive(p) free((void *)(p))
static inline void *kmemdup(const void *p, size_t n, int f)
{
	void *q = malloc(n ? n : 1);
	if (n)
		memcpy(q, p, n);
	return q;
}
static inline ssize_t strscpy(char *d, const char *s, size_t n)
{
	if (strlen(s) >= n)
		return -E2BIG;
	strcpy(d, s);
	return strlen(s);
}
static inline int match_string(const char *const *a, size_t n, const char *s) { return -EINVAL; }
#define umax(a, b) ((size_t)(a) > (size_t)(b) ? (size_t)(a) : (size_t)(b))

#define MAX_ERRNO 4095
static inline void *ERR_PTR(long e) { return (void *)e; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return (unsigned long)p >= (unsigned long)-MAX_ERRNO; }
#define ERR_CAST(p) ((void *)(p))

#define __free(name) __attribute__((cleanup(free_##name)))
#define DEFINE_FREE(name, type, code) static inline void free_##name(void *p_) { type _T = *(type *)p_; code; }
static inline void free_kfree_sensitive(void *p) { void *q = *(void **)p; if (!IS_ERR(q)) free(q); }
static inline void free_kfree(void *p) { void *q = *(void **)p; if (!IS_ERR(q)) free(q); }
#define return_ptr(p) do { typeof(p) r_ = (p); (p) = NULL; return r_; } while (0)

#define test_bit(n, p) ((*(p) >> (n)) & 1)
static inline int __test_and_set_bit(int n, unsigned long *p)
{
	int old = test_bit(n, p);
	*p |= 1UL << n;
	return old;
}
time64_t mktime64(unsigned y, unsigned mo, unsigned d, unsigned h, unsigned mi, unsigned s);

/* Digests. */
#define SHA256_DIGEST_SIZE 32
struct crypto_shash { const void *md; };
struct shash_desc { struct crypto_shash *tfm; };
struct crypto_shash *crypto_alloc_shash(const char *name, u32 type, u32 mask);
void crypto_free_shash(struct crypto_shash *t);
unsigned crypto_shash_descsize(struct crypto_shash *t);
unsigned crypto_shash_digestsize(struct crypto_shash *t);
int crypto_shash_digest(struct shash_desc *d, const void *p, size_t n, u8 *out);
int crypto_shash_init(struct shash_desc *d);
int crypto_shash_update(struct shash_desc *d, const u8 *p, size_t n);
int crypto_shash_finup(struct shash_desc *d, const u8 *p, size_t n, u8 *out);
void sha256(const u8 *p, size_t n, u8 *out);

/* Signatures. */
#define CRYPTO_MAX_ALG_NAME 128
struct crypto_sig;
struct crypto_sig *crypto_alloc_sig(const char *name, u32 type, u32 mask);
void crypto_free_sig(struct crypto_sig *s);
int crypto_sig_set_pubkey(struct crypto_sig *s, const void *key, unsigned n);
int crypto_sig_set_privkey(struct crypto_sig *s, const void *key, unsigned n);
int crypto_sig_verify(struct crypto_sig *s, const void *src, unsigned slen, const void *m, unsigned mlen);

/* ML-DSA and the SHA-3 that it is made of. */
#define CONFIG_64BIT 1
#define IS_ENABLED(x) 0
#define EXPORT_SYMBOL_IF_KUNIT(x)
#define VISIBLE_IF_KUNIT static
#define __maybe_unused __attribute__((unused))
typedef int8_t s8;
typedef int32_t s32;
typedef int64_t s64;
#define noinline __attribute__((noinline))
#define __always_inline inline __attribute__((always_inline))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define abs(x) ((x) < 0 ? -(x) : (x))
#define static_assert _Static_assert
#define get_unaligned(p) ({ typeof(*(p)) v_; memcpy(&v_, p, sizeof(v_)); v_; })
#define get_unaligned_le16(p) get_unaligned((const u16 *)(p))
#define get_unaligned_le32(p) get_unaligned((const u32 *)(p))
#define get_unaligned_le64(p) get_unaligned((const u64 *)(p))
/* This is for little endian machines only. */
#define cpu_to_le16(x) (x)
#define cpu_to_le64(x) (x)
#define le64_to_cpu(x) (x)
#define le64_to_cpus(p) do { } while (0)
static inline u64 rol64(u64 x, unsigned n) { return x << (n & 63) | x >> (-n & 63); }
static inline bool mem_is_zero(const void *p, size_t n)
{
	while (n--)
		if (((const u8 *)p)[n])
			return false;
	return true;
}
static inline u32 get_unaligned_le24(const u8 *p) { return p[0] | p[1] << 8 | (u32)p[2] << 16; }
static inline void put_unaligned_le16(u16 v, void *p) { memcpy(p, &v, sizeof(v)); }
static inline void put_unaligned_le32(u32 v, void *p) { memcpy(p, &v, sizeof(v)); }
static inline void crypto_xor(u8 *d, const u8 *s, size_t n) { while (n--) *d++ ^= *s++; }
static inline void memzero_explicit(void *p, size_t n) { memset(p, 0, n); }

/* Keys. */
enum key_being_used_for {
	VERIFYING_MODULE_SIGNATURE, VERIFYING_FIRMWARE_SIGNATURE, VERIFYING_KEXEC_PE_SIGNATURE, VERIFYING_KEY_SIGNATURE,
	VERIFYING_KEY_SELF_SIGNATURE, VERIFYING_UNSPECIFIED_SIGNATURE, VERIFYING_BPF_SIGNATURE,
};
enum kernel_pkey_operation { kernel_pkey_encrypt, kernel_pkey_decrypt, kernel_pkey_sign, kernel_pkey_verify };
enum hash_algo { HASH_ALGO__LAST };
static const char *const hash_algo_name[1];
enum blacklist_hash_type { BLACKLIST_HASH_X509_TBS = 1, BLACKLIST_HASH_BINARY = 2 };
int is_hash_blacklisted(const u8 *hash, size_t n, enum blacklist_hash_type t);
struct asymmetric_key_id { unsigned short len; unsigned char data[]; };
struct asymmetric_key_ids { struct asymmetric_key_id *id[3]; };
struct asymmetric_key_id *asymmetric_key_generate_id(const void *a, size_t an, const void *b, size_t bn);
bool asymmetric_key_id_same(const struct asymmetric_key_id *a, const struct asymmetric_key_id *b);
struct key { struct key *next; struct asymmetric_key_ids ids; struct public_key *pub; };
struct key_type;
union key_payload;
struct kernel_pkey_params;
struct kernel_pkey_query;
struct key *find_asymmetric_key(struct key *ring, const struct asymmetric_key_id *id_0, const struct asymmetric_key_id *id_1,
				const struct asymmetric_key_id *id_2, bool partial);
#define key_put(k) do { } while (0)
#define key_serial(k) 0
#endif
