/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Answers as a kernel does: its own parser, verification and trust code over
 * OpenSSL's arithmetic.
 *
 * usage: oracle [tbs:SHA256] [revoke:CERTIFICATE.der] CERTIFICATE.der... <records >answers
 *
 * A record is two 32-bit big-endian lengths, a payload and a message; an answer is
 * one byte, the errno, or 0.
 */
#include "shim.h"
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <linux/asn1_decoder.h>
#include "pkcs7_parser.h"
#include "ecdsasignature.asn1.h"
#include "rsapubkey.asn1.h"

time64_t mktime64(unsigned y, unsigned mo, unsigned d, unsigned h, unsigned mi, unsigned s)
{
	if (0 >= (int)(mo -= 2)) {
		mo += 12;
		y -= 1;
	}
	return ((((time64_t)(y / 4 - y / 100 + y / 400 + 367 * mo / 12 + d) + y * 365 - 719499) * 24 + h) * 60 + mi) * 60 + s;
}

static const EVP_MD *digest(const char *name)
{
	static const char *const known[] = { "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(name, known[i]))
			return EVP_get_digestbyname(name);
	return NULL;
}

struct crypto_shash *crypto_alloc_shash(const char *name, u32 type, u32 mask)
{
	const EVP_MD *md = digest(name);
	struct crypto_shash *t;

	if (!md)
		return ERR_PTR(-ENOENT);
	t = malloc(sizeof(*t));
	t->md = md;
	return t;
}
void crypto_free_shash(struct crypto_shash *t) { free(t); }
unsigned crypto_shash_descsize(struct crypto_shash *t) { return 0; }
unsigned crypto_shash_digestsize(struct crypto_shash *t) { return EVP_MD_size(t->md); }
int crypto_shash_digest(struct shash_desc *d, const void *p, size_t n, u8 *out)
{
	unsigned char tmp[EVP_MAX_MD_SIZE];

	EVP_Digest(p, n, tmp, NULL, d->tfm->md, NULL);
	memcpy(out, tmp, EVP_MD_size(d->tfm->md));
	return 0;
}
/* Linux 6.12 digests signed attributes so, which modules never have. */
int crypto_shash_init(struct shash_desc *d) { abort(); }
int crypto_shash_update(struct shash_desc *d, const u8 *p, size_t n) { abort(); }
int crypto_shash_finup(struct shash_desc *d, const u8 *p, size_t n, u8 *out) { abort(); }
void sha256(const u8 *p, size_t n, u8 *out) { EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL); }

/* Pairs of integers: RSA keys and ECDSA signatures. */
struct pair { const u8 *v[2]; size_t n[2]; int room; };
static int note(struct pair *p, int i, const void *v, size_t n)
{
	p->v[i] = v;
	p->n[i] = n;
	if (!p->room)
		return !n || (i && n > p->n[0]) ? -EINVAL : 0;
	return !n || n > (size_t)p->room + 1 || (n > (size_t)p->room && *(u8 *)v) ? -EINVAL : 0;
}
int rsa_get_n(void *c, size_t h, unsigned char t, const void *v, size_t n) { return note(c, 0, v, n); }
int rsa_get_e(void *c, size_t h, unsigned char t, const void *v, size_t n) { return note(c, 1, v, n); }
int ecdsa_get_signature_r(void *c, size_t h, unsigned char t, const void *v, size_t n) { return note(c, 0, v, n); }
int ecdsa_get_signature_s(void *c, size_t h, unsigned char t, const void *v, size_t n) { return note(c, 1, v, n); }

static const struct { const char *name; int nid; int room; } curves[] = {
	{ "ecdsa-nist-p256", NID_X9_62_prime256v1, 32 },
	{ "ecdsa-nist-p384", NID_secp384r1, 48 },
	{ "ecdsa-nist-p521", NID_secp521r1, 72 },
};

#ifndef OLD
#include <crypto/mldsa.h>
static const struct { const char *name; int size; } lattices[] = {
	[MLDSA44] = { "mldsa44", MLDSA44_PUBLIC_KEY_SIZE },
	[MLDSA65] = { "mldsa65", MLDSA65_PUBLIC_KEY_SIZE },
	[MLDSA87] = { "mldsa87", MLDSA87_PUBLIC_KEY_SIZE },
};
#endif

struct crypto_sig { int curve; u8 prefix[20]; int plen, dlen; BIGNUM *n, *e; EC_KEY *ec; int lattice; u8 *key; };

struct crypto_sig *crypto_alloc_sig(const char *name, u32 type, u32 mask)
{
	struct crypto_sig *s = calloc(1, sizeof(*s));
	char hash[64];

	s->curve = -1;
	s->lattice = -1;
#ifndef OLD
	for (size_t i = 0; i < ARRAY_SIZE(lattices); i++)
		if (!strcmp(name, lattices[i].name)) {
			s->lattice = i;
			return s;
		}
#endif
	/* Linux 6.12 has other names for the same. */
	if (sscanf(name, "pkcs1(rsa,%60[^)])", hash) == 1 || sscanf(name, "pkcs1pad(rsa,%60[^)])", hash) == 1) {
		static const struct { const char *name; const char *oid; int olen; } oids[] = {
			{ "md5", "\x2a\x86\x48\x86\xf7\x0d\x02\x05", 8 }, { "sha1", "\x2b\x0e\x03\x02\x1a", 5 },
			{ "sha256", "\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9 }, { "sha384", "\x60\x86\x48\x01\x65\x03\x04\x02\x02", 9 },
			{ "sha512", "\x60\x86\x48\x01\x65\x03\x04\x02\x03", 9 }, { "sha224", "\x60\x86\x48\x01\x65\x03\x04\x02\x04", 9 },
			{ "sha3-256", "\x60\x86\x48\x01\x65\x03\x04\x02\x08", 9 }, { "sha3-384", "\x60\x86\x48\x01\x65\x03\x04\x02\x09", 9 },
			{ "sha3-512", "\x60\x86\x48\x01\x65\x03\x04\x02\x0a", 9 },
		};
		for (size_t i = 0; i < ARRAY_SIZE(oids); i++)
			if (!strcmp(hash, oids[i].name)) {
				int o = oids[i].olen, d = EVP_MD_size(digest(hash)), k = 0;

				s->dlen = d;
				s->prefix[k++] = 0x30, s->prefix[k++] = o + 8 + d;
				s->prefix[k++] = 0x30, s->prefix[k++] = o + 4;
				s->prefix[k++] = 0x06, s->prefix[k++] = o;
				memcpy(s->prefix + k, oids[i].oid, o), k += o;
				s->prefix[k++] = 0x05, s->prefix[k++] = 0;
				s->prefix[k++] = 0x04, s->prefix[k++] = d;
				s->plen = k;
				return s;
			}
	} else if (sscanf(name, "x962(%60[^)])", hash) == 1 || sscanf(name, "%60[^(]", hash) == 1) {
		for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
			if (!strcmp(hash, curves[i].name)) {
				s->curve = i;
				return s;
			}
	}
	free(s);
	return ERR_PTR(-ENOENT);
}
void crypto_free_sig(struct crypto_sig *s)
{
	BN_free(s->n), BN_free(s->e), EC_KEY_free(s->ec), free(s->key);
	free(s);
}
int crypto_sig_set_privkey(struct crypto_sig *s, const void *key, unsigned n) { return -EINVAL; }

int crypto_sig_set_pubkey(struct crypto_sig *s, const void *key, unsigned len)
{
	const u8 *k = key;
	unsigned half = (len - 1) / 2;
	BIGNUM *x, *y;
	int ok;

#ifndef OLD
	if (s->lattice >= 0) {
		if (len != (unsigned)lattices[s->lattice].size)
			return -EINVAL;
		s->key = kmemdup(key, len, GFP_KERNEL);
		return 0;
	}
#endif
	if (s->curve < 0) {
		struct pair p = { .room = 0 };
		int bytes, err = asn1_ber_decoder(&rsapubkey_decoder, &p, key, len);

		if (err < 0)
			return err;
		s->n = BN_bin2bn(p.v[0], p.n[0], NULL);
		s->e = BN_bin2bn(p.v[1], p.n[1], NULL);
		bytes = BN_num_bytes(s->n) * 8;
		return bytes == 512 || bytes == 1024 || bytes == 1536 || bytes == 2048 || bytes == 3072 || bytes == 4096 ? 0 : -EINVAL;
	}
	if (len < 1 || ((len - 1) & 1) || k[0] != 4 || (half + 7) / 8 != (unsigned)curves[s->curve].room / 8)
		return -EINVAL;
	s->ec = EC_KEY_new_by_curve_name(curves[s->curve].nid);
	x = BN_bin2bn(k + 1, half, NULL);
	y = BN_bin2bn(k + 1 + half, half, NULL);
	ok = EC_KEY_set_public_key_affine_coordinates(s->ec, x, y);
	BN_free(x), BN_free(y);
	return ok ? 0 : -EINVAL;
}

static int verify_rsa(struct crypto_sig *s, const u8 *src, unsigned slen, const u8 *m, unsigned mlen)
{
	unsigned size = BN_num_bytes(s->n), pos;
	BIGNUM *x, *top;
	BN_CTX *ctx;
	u8 out[512], *b = out;
	int bad;

	if (slen != size || mlen != (unsigned)s->dlen)
		return -EINVAL;
	x = BN_bin2bn(src, slen, NULL);
	top = BN_dup(s->n);
	BN_sub_word(top, 1);
	bad = BN_is_zero(x) || BN_is_one(x) || BN_cmp(x, top) >= 0;
	if (!bad) {
		ctx = BN_CTX_new();
		BN_mod_exp(x, x, s->e, s->n, ctx);
		BN_bn2binpad(x, out, size);
		BN_CTX_free(ctx);
	}
	BN_free(x), BN_free(top);
	if (bad || out[0])
		return -EINVAL;
	b++, size--;
	if (b[0] != 1)
		return -EBADMSG;
	for (pos = 1; pos < size && b[pos] == 0xff; pos++)
		;
	if (pos < 9 || pos == size || b[pos])
		return -EBADMSG;
	pos++;
	if ((unsigned)s->plen > size - pos || memcmp(b + pos, s->prefix, s->plen))
		return -EBADMSG;
	pos += s->plen;
	return mlen != size - pos || memcmp(b + pos, m, mlen) ? -EKEYREJECTED : 0;
}

int crypto_sig_verify(struct crypto_sig *s, const void *src, unsigned slen, const void *m, unsigned mlen)
{
	struct pair p;
	ECDSA_SIG *sig;
	const BIGNUM *order;
	BIGNUM *r, *t;
	int err;

#ifndef OLD
	if (s->lattice >= 0)
		return mldsa_verify(s->lattice, src, slen, m, mlen, s->key, lattices[s->lattice].size);
#endif
	if (s->curve < 0)
		return verify_rsa(s, src, slen, m, mlen);
	p.room = curves[s->curve].room;
	err = asn1_ber_decoder(&ecdsasignature_decoder, &p, src, slen);
	if (err < 0)
		return err;
	r = BN_bin2bn(p.v[0], p.n[0], NULL);
	t = BN_bin2bn(p.v[1], p.n[1], NULL);
	order = EC_GROUP_get0_order(EC_KEY_get0_group(s->ec));
	err = BN_is_zero(r) || BN_is_zero(t) || BN_cmp(r, order) >= 0 || BN_cmp(t, order) >= 0 ? -EBADMSG : -EKEYREJECTED;
	sig = ECDSA_SIG_new();
	ECDSA_SIG_set0(sig, r, t);
	if (err == -EKEYREJECTED && ECDSA_do_verify(m, mlen, sig, s->ec) == 1)
		err = 0;
	ECDSA_SIG_free(sig);
	return err;
}

static u8 denied[32];
static bool denies;
int is_hash_blacklisted(const u8 *hash, size_t n, enum blacklist_hash_type t)
{
	return denies && n == 32 && !memcmp(hash, denied, n) ? -EKEYREJECTED : 0;
}

struct asymmetric_key_id *asymmetric_key_generate_id(const void *a, size_t an, const void *b, size_t bn)
{
	struct asymmetric_key_id *k = malloc(sizeof(*k) + an + bn);

	k->len = an + bn;
	if (an)
		memcpy(k->data, a, an);
	if (bn)
		memcpy(k->data + an, b, bn);
	return k;
}
bool asymmetric_key_id_same(const struct asymmetric_key_id *a, const struct asymmetric_key_id *b)
{
	return a && b && a->len == b->len && !memcmp(a->data, b->data, a->len);
}
struct key *find_asymmetric_key(struct key *ring, const struct asymmetric_key_id *id_0, const struct asymmetric_key_id *id_1,
				const struct asymmetric_key_id *id_2, bool partial)
{
	const struct asymmetric_key_id *want = id_0 ? id_0 : id_1;

	if (!want || !want->len)
		return ERR_PTR(-EINVAL);
	for (; ring; ring = ring->next) {
		if (!asymmetric_key_id_same(ring->ids.id[0], want) && !asymmetric_key_id_same(ring->ids.id[1], want))
			continue;
		if (id_0 && id_1 && !asymmetric_key_id_same(id_1, ring->ids.id[1]))
			return ERR_PTR(-EKEYREJECTED);
		return ring;
	}
	return ERR_PTR(-ENOKEY);
}
int verify_signature(const struct key *key, const struct public_key_signature *sig)
{
	return public_key_verify_signature(key->pub, sig);
}
void public_key_signature_free(struct public_key_signature *sig)
{
	if (!sig)
		return;
	for (int i = 0; i < 3; i++)
		free(sig->auth_ids[i]);
	free(sig->s);
#ifdef OLD
	free(sig->digest);
#else
	if (sig->m_free)
		free(sig->m);
#endif
	free(sig);
}

static u8 *whole(FILE *f, size_t n)
{
	u8 *b = malloc(n ? n : 1);

	if (fread(b, 1, n, f) != n)
		exit(2);
	return b;
}

static int answer(struct key *ring, struct key *revoked, const u8 *data, size_t n, const u8 *der, size_t len)
{
	struct pkcs7_message *m = pkcs7_parse_message(der, len);
	int ret;

	if (IS_ERR(m))
		return -PTR_ERR(m);
	ret = pkcs7_supply_detached_data(m, data, n) < 0 ? -EBADMSG : pkcs7_verify(m, VERIFYING_MODULE_SIGNATURE);
	if (!ret && revoked && !pkcs7_validate_trust(m, revoked))
		ret = -EKEYREJECTED;
	if (!ret)
		ret = pkcs7_validate_trust(m, ring);
	pkcs7_free_message(m);
	return -ret;
}

static void add(struct key **ring, const char *file)
{
	FILE *f = fopen(file, "rb");
	struct x509_certificate *c;
	struct key *k = calloc(1, sizeof(*k));
	u8 *b = malloc(65536);

	c = x509_cert_parse(b, f ? fread(b, 1, 65536, f) : 0);
	if (IS_ERR(c)) {
		fprintf(stderr, "%s: %ld\n", file, PTR_ERR(c));
		exit(2);
	}
	k->ids.id[0] = c->id;
	k->ids.id[1] = c->skid;
	k->pub = c->pub;
	while (*ring)
		ring = &(*ring)->next;
	*ring = k;
}

int main(int argc, char **argv)
{
	struct key *ring = NULL, *revoked = NULL;
	u8 h[8];

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "tbs:", 4)) {
			for (int k = 0; k < 32; k++)
				sscanf(argv[i] + 4 + 2 * k, "%2hhx", denied + k);
			denies = true;
		} else if (!strncmp(argv[i], "revoke:", 7)) {
			add(&revoked, argv[i] + 7);
		} else {
			add(&ring, argv[i]);
		}
	}
	while (fread(h, 1, 8, stdin) == 8) {
		size_t n = (size_t)h[0] << 24 | h[1] << 16 | h[2] << 8 | h[3], len = (size_t)h[4] << 24 | h[5] << 16 | h[6] << 8 | h[7];
		u8 *data = whole(stdin, n), *der = whole(stdin, len);

		putchar(answer(ring, revoked, data, n, der, len));
		free(data), free(der);
	}
	return 0;
}
