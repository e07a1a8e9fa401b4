// SPDX-License-Identifier: Apache-2.0
//
// A PKCS #11 module for tests, with the limits of one that reaches a key service
// over a network (aws-kms-pkcs11): a slot for each key; no hashing, only CKM_RSA_PKCS
// and CKM_ECDSA; the digest's length is that of the curve; of a DigestInfo only the
// first 8 bytes are looked at, so that SHA3-256 is signed as if it were SHA-256; r and
// s come without leading zeros; no login; a certificate only if there is one in the
// configuration. The keys are in files; nothing about it is safe.
//
//   MOCK_TOKEN        the configuration: a line for each slot, LABEL KEY CERTIFICATE:
//                     a PEM file and a DER file, or "-"
//   MOCK_TOKEN_LOG    a file that gets a line for each login and each signature
//   MOCK_TOKEN_PIN    a login with this PIN is wanted after all
//   MOCK_TOKEN_FAULT  bad:N or removed:N: signatures from the Nth on have a wrong
//                     bit, or the device is gone

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

// pkcs11.h lets the platform say these.
#define CK_PTR *
#define CK_DEFINE_FUNCTION(type, name) type name
#define CK_DECLARE_FUNCTION(type, name) type name
#define CK_DECLARE_FUNCTION_POINTER(type, name) type(*name)
#define CK_CALLBACK_FUNCTION(type, name) type(*name)
#define NULL_PTR NULL
#include <pkcs11.h>

enum { KEY = 1, CERTIFICATE = 2, MAX_SLOTS = 8, MAX_DER = 8192 };

static struct slot {
	char label[33], key_file[PATH_MAX], cert_file[PATH_MAX];
	EVP_PKEY *key;
	unsigned char cert[MAX_DER], params[64];
	CK_ULONG cert_len, params_len;
} slots[MAX_SLOTS];
static CK_ULONG slot_count;
static struct slot *open_slot, *found_slot;
static CK_OBJECT_HANDLE found[2];
static CK_ULONG found_count;
static CK_MECHANISM_TYPE mechanism;
static int logged_in, signatures;

static void note(const char *what)
{
	const char *name = getenv("MOCK_TOKEN_LOG");
	FILE *f = name ? fopen(name, "a") : NULL;
	if (f) {
		fprintf(f, "%s\n", what);
		fclose(f);
	}
}

// fault tells whether the fault of that name has come.
static int fault(const char *name)
{
	const char *want = getenv("MOCK_TOKEN_FAULT");
	size_t n = strlen(name);
	return want && !strncmp(want, name, n) && want[n] == ':' && signatures >= atoi(want + n + 1);
}

static void pad(unsigned char *to, size_t n, const char *text)
{
	memset(to, ' ', n);
	memcpy(to, text, strlen(text) < n ? strlen(text) : n);
}

// curve is the length in bytes of the digest that goes with the key's curve.
static CK_ULONG curve(EVP_PKEY *key)
{
	switch (EVP_PKEY_get_bits(key)) {
	case 256: return 32;
	case 384: return 48;
	case 521: return 64;
	}
	return 0;
}

static int load(struct slot *s)
{
	FILE *f = fopen(s->key_file, "r");
	if (!f || !(s->key = PEM_read_PrivateKey(f, NULL, NULL, NULL)))
		return 0;
	fclose(f);
	if (EVP_PKEY_get_base_id(s->key) == EVP_PKEY_EC) {
		unsigned char *p = s->params;
		char name[64];
		size_t n;
		if (!EVP_PKEY_get_group_name(s->key, name, sizeof name, &n))
			return 0;
		s->params_len = i2d_ASN1_OBJECT(OBJ_txt2obj(name, 0), &p);
	}
	if (strcmp(s->cert_file, "-")) {
		if (!(f = fopen(s->cert_file, "r")))
			return 0;
		s->cert_len = fread(s->cert, 1, sizeof s->cert, f);
		fclose(f);
	}
	return 1;
}

static CK_RV initialize(CK_VOID_PTR args)
{
	const char *name = getenv("MOCK_TOKEN");
	FILE *f = name ? fopen(name, "r") : NULL;
	(void)args;
	slot_count = 0;
	if (!f)
		return CKR_GENERAL_ERROR;
	for (struct slot *s = slots; slot_count < MAX_SLOTS &&
	     fscanf(f, "%32s %4095s %4095s", s->label, s->key_file, s->cert_file) == 3; s++, slot_count++)
		if (!load(s)) {
			fclose(f);
			return CKR_GENERAL_ERROR;
		}
	fclose(f);
	return CKR_OK;
}

static CK_RV finalize(CK_VOID_PTR reserved)
{
	(void)reserved;
	return CKR_OK;
}

static CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
	(void)present;
	if (list)
		for (CK_ULONG i = 0; i < slot_count; i++)
			list[i] = i;
	*count = slot_count;
	return CKR_OK;
}

static CK_RV get_slot_info(CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	if (id >= slot_count)
		return CKR_SLOT_ID_INVALID;
	memset(info, 0, sizeof *info);
	pad(info->slotDescription, sizeof info->slotDescription, "mock slot");
	pad(info->manufacturerID, sizeof info->manufacturerID, "modhash tests");
	info->flags = CKF_TOKEN_PRESENT;
	return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID id, CK_TOKEN_INFO *info)
{
	if (id >= slot_count)
		return CKR_SLOT_ID_INVALID;
	memset(info, 0, sizeof *info);
	pad(info->label, sizeof info->label, slots[id].label);
	pad(info->manufacturerID, sizeof info->manufacturerID, "modhash tests");
	pad(info->model, sizeof info->model, "mock");
	pad(info->serialNumber, sizeof info->serialNumber, "0");
	info->flags = CKF_TOKEN_INITIALIZED | CKF_WRITE_PROTECTED;
	if (getenv("MOCK_TOKEN_PIN"))
		info->flags |= CKF_LOGIN_REQUIRED;
	return CKR_OK;
}

static CK_RV open_session(CK_SLOT_ID id, CK_FLAGS flags, CK_VOID_PTR app, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	(void)flags, (void)app, (void)notify;
	if (id >= slot_count)
		return CKR_SLOT_ID_INVALID;
	open_slot = &slots[id];
	*session = 1;
	return CKR_OK;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
	(void)session;
	return CKR_OK;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG n)
{
	const char *want = getenv("MOCK_TOKEN_PIN");
	(void)session, (void)user;
	note("login");
	if (want && (n != strlen(want) || memcmp(pin, want, n)))
		return CKR_PIN_INCORRECT;
	logged_in = 1;
	return CKR_OK;
}

// attribute is one of an object, or NULL.
static const void *attribute(struct slot *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *n)
{
	static const CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY, certificate = CKO_CERTIFICATE;
	static const CK_KEY_TYPE rsa = CKK_RSA, ec = CKK_EC;
	int is_ec = EVP_PKEY_get_base_id(s->key) == EVP_PKEY_EC;
	switch (type) {
	case CKA_CLASS:
		*n = sizeof private_key;
		return object == KEY ? &private_key : &certificate;
	case CKA_ID:
	case CKA_LABEL:
		*n = strlen(s->label);
		return s->label;
	case CKA_KEY_TYPE:
		*n = sizeof rsa;
		return object == KEY ? is_ec ? &ec : &rsa : NULL;
	case CKA_EC_PARAMS:
		*n = s->params_len;
		return object == KEY && is_ec ? s->params : NULL;
	case CKA_VALUE:
		*n = s->cert_len;
		return object == CERTIFICATE ? s->cert : NULL;
	}
	return NULL;
}

static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a, CK_ULONG count)
{
	CK_RV rv = CKR_OK;
	(void)session;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ULONG n;
		const void *value = attribute(open_slot, object, a[i].type, &n);
		if (!value || (a[i].pValue && a[i].ulValueLen < n)) {
			a[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
			rv = value ? CKR_BUFFER_TOO_SMALL : CKR_ATTRIBUTE_TYPE_INVALID;
			continue;
		}
		if (a[i].pValue)
			memcpy(a[i].pValue, value, n);
		a[i].ulValueLen = n;
	}
	return rv;
}

// matches: a search for public keys finds the private one.
static int matches(CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a, CK_ULONG count)
{
	for (CK_ULONG i = 0; i < count; i++) {
		CK_ULONG n;
		const void *value = attribute(found_slot, object, a[i].type, &n);
		CK_OBJECT_CLASS public_key = CKO_PUBLIC_KEY;
		if (a[i].type == CKA_CLASS && object == KEY && a[i].ulValueLen == sizeof public_key &&
		    !memcmp(a[i].pValue, &public_key, sizeof public_key))
			continue;
		if (!value || n != a[i].ulValueLen || memcmp(value, a[i].pValue, n))
			return 0;
	}
	return 1;
}

static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *a, CK_ULONG count)
{
	(void)session;
	found_slot = open_slot;
	found_count = 0;
	if (getenv("MOCK_TOKEN_PIN") && !logged_in)
		return CKR_OK;
	if (matches(KEY, a, count))
		found[found_count++] = KEY;
	if (found_slot->cert_len && matches(CERTIFICATE, a, count))
		found[found_count++] = CERTIFICATE;
	return CKR_OK;
}

static CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG max, CK_ULONG *count)
{
	(void)session;
	for (*count = 0; *count < max && found_count; )
		list[(*count)++] = found[--found_count];
	return CKR_OK;
}

static CK_RV find_objects_final(CK_SESSION_HANDLE session)
{
	(void)session;
	return CKR_OK;
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	int is_ec = EVP_PKEY_get_base_id(open_slot->key) == EVP_PKEY_EC;
	(void)session;
	if (key != KEY)
		return CKR_KEY_HANDLE_INVALID;
	if (m->mechanism != (is_ec ? CKM_ECDSA : CKM_RSA_PKCS))
		return CKR_MECHANISM_INVALID;
	mechanism = m->mechanism;
	return CKR_OK;
}

static CK_RV sign_ec(const unsigned char *digest, CK_ULONG n, unsigned char *out, CK_ULONG *out_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(open_slot->key, NULL);
	unsigned char der[256];
	const unsigned char *p = der;
	size_t len = sizeof der;
	ECDSA_SIG *sig = NULL;
	if (n != curve(open_slot->key)) {
		EVP_PKEY_CTX_free(ctx);
		return CKR_DATA_LEN_RANGE;
	}
	if (EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, der, &len, digest, n) == 1)
		sig = d2i_ECDSA_SIG(NULL, &p, len);
	EVP_PKEY_CTX_free(ctx);
	if (!sig)
		return CKR_FUNCTION_FAILED;
	*out_len = BN_bn2bin(ECDSA_SIG_get0_r(sig), out);
	*out_len += BN_bn2bin(ECDSA_SIG_get0_s(sig), out + *out_len);
	ECDSA_SIG_free(sig);
	return CKR_OK;
}

static CK_RV sign_rsa(const unsigned char *info, CK_ULONG n, unsigned char *out, CK_ULONG *out_len)
{
	static const struct { const char *name, *prefix; CK_ULONG digest; } hashes[] = {
		{"SHA256", "\x30\x31\x30\x0d\x06\x09\x60\x86", 32},
		{"SHA384", "\x30\x41\x30\x0d\x06\x09\x60\x86", 48},
		{"SHA512", "\x30\x51\x30\x0d\x06\x09\x60\x86", 64},
	};
	for (int i = 0; i < 3; i++) {
		CK_ULONG d = hashes[i].digest;
		EVP_PKEY_CTX *ctx;
		size_t len = *out_len;
		int ok;
		if (n != d && (n != d + 19 || memcmp(info, hashes[i].prefix, 8)))
			continue;
		ctx = EVP_PKEY_CTX_new(open_slot->key, NULL);
		ok = EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(hashes[i].name)) == 1 &&
		     EVP_PKEY_sign(ctx, out, &len, info + n - d, d) == 1;
		EVP_PKEY_CTX_free(ctx);
		*out_len = len;
		return ok ? CKR_OK : CKR_FUNCTION_FAILED;
	}
	return CKR_DATA_LEN_RANGE;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG n, CK_BYTE *out, CK_ULONG *out_len)
{
	CK_ULONG most = mechanism == CKM_ECDSA ? 132 : (CK_ULONG)EVP_PKEY_get_size(open_slot->key);
	CK_RV rv;
	(void)session;
	if (!out) {
		*out_len = most;
		return CKR_OK;
	}
	if (*out_len < most)
		return CKR_BUFFER_TOO_SMALL;
	signatures++;
	if (fault("removed"))
		return CKR_DEVICE_REMOVED;
	rv = mechanism == CKM_ECDSA ? sign_ec(data, n, out, out_len) : sign_rsa(data, n, out, out_len);
	if (rv == CKR_OK) {
		char text[32];
		snprintf(text, sizeof text, "signature %lu", *out_len);
		note(text);
		if (fault("bad"))
			out[*out_len - 1] ^= 1;
	}
	return rv;
}

static CK_RV unsupported(void) { return CKR_FUNCTION_NOT_SUPPORTED; }

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
	static CK_FUNCTION_LIST f = {
		{2, 40},
#define CK_PKCS11_FUNCTION_INFO(name) (CK_##name)unsupported,
#include <pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
	};
	f.C_Initialize = initialize;
	f.C_Finalize = finalize;
	f.C_GetFunctionList = C_GetFunctionList;
	f.C_GetSlotList = get_slot_list;
	f.C_GetSlotInfo = get_slot_info;
	f.C_GetTokenInfo = get_token_info;
	f.C_OpenSession = open_session;
	f.C_CloseSession = close_session;
	f.C_Login = login;
	f.C_GetAttributeValue = get_attribute_value;
	f.C_FindObjectsInit = find_objects_init;
	f.C_FindObjects = find_objects;
	f.C_FindObjectsFinal = find_objects_final;
	f.C_SignInit = sign_init;
	f.C_Sign = sign;
	*list = &f;
	return CKR_OK;
}
