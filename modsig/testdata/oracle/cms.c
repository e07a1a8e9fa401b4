/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers as "openssl cms -verify -binary -purpose any -no_check_time -partial_chain"
 * does, with the certificates as -certfile and, but for those behind "untrusted:", as -CAfile.
 *
 * usage: cms [untrusted:]CERTIFICATE.der... <records >answers
 *
 * A record is two 32-bit big-endian lengths, a payload and a message; an answer is
 * one byte: 0, or 1 for a message that is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

static int check(X509_STORE *store, STACK_OF(X509) *certs, const unsigned char *payload, long n,
		 const unsigned char *der, long m)
{
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &der, m);
	BIO *content = BIO_new_mem_buf(payload, n), *out = BIO_new(BIO_s_null());
	int ok = cms && CMS_verify(cms, certs, store, content, out, CMS_BINARY) == 1;

	BIO_free(out);
	BIO_free(content);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return ok;
}

static long number(const unsigned char *b) { return (long)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]; }

int main(int argc, char **argv)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *certs = sk_X509_new_null();
	unsigned char head[8], *b;

	for (int i = 1; i < argc; i++) {
		static const char mark[] = "untrusted:";
		int untrusted = !strncmp(argv[i], mark, sizeof mark - 1);
		BIO *f = BIO_new_file(argv[i] + (untrusted ? sizeof mark - 1 : 0), "rb");
		X509 *c = f ? d2i_X509_bio(f, NULL) : NULL;

		if (!c || !(untrusted || X509_STORE_add_cert(store, c)) || !sk_X509_push(certs, c))
			return 2;
		BIO_free(f);
	}
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
	X509_STORE_set_purpose(store, X509_PURPOSE_ANY);
	while (fread(head, sizeof head, 1, stdin) == 1) {
		long n = number(head), m = number(head + 4);

		b = malloc(n + m + 1);
		if (!b || fread(b, 1, n + m, stdin) != (size_t)(n + m))
			return 2;
		putchar(!check(store, certs, b, n, b + n, m));
		free(b);
	}
	return fflush(stdout) ? 2 : 0;
}
