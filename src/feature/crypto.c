/* SPDX-License-Identifier: MIT */
/*
 * What umod asks of OpenSSL's libcrypto, which is loaded when it is first needed: whether
 * a CMS is a signature of these bytes by this certificate's key, and making one. Decides
 * nothing else: certificates are looked up and judged by the callers.
 */
#include "feature/signature.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/stack.h>
#include <openssl/x509.h>

#define fail(...) base_error(error, UMOD_STAGE_VERIFY, __VA_ARGS__)

/* clang-format off */
#define FUNCTIONS(F) \
	F(d2i_X509) \
	F(X509_free) \
	F(X509_check_private_key) \
	F(d2i_CMS_ContentInfo) \
	F(i2d_CMS_ContentInfo) \
	F(CMS_ContentInfo_free) \
	F(CMS_verify) \
	F(CMS_sign) \
	F(CMS_add1_signer) \
	F(CMS_final) \
	F(BIO_new_mem_buf) \
	F(BIO_free) \
	F(OPENSSL_sk_new_null) \
	F(OPENSSL_sk_push) \
	F(OPENSSL_sk_free) \
	F(ERR_clear_error) \
	F(ERR_peek_last_error) \
	F(ERR_reason_error_string) \
	F(EVP_get_digestbyname) \
	F(EVP_PKEY_free) \
	F(PEM_read_bio_PrivateKey)
/* clang-format on */

/* Each member has its function's own type. */
static struct {
#define MEMBER(name) __typeof__(&name) name;
	FUNCTIONS(MEMBER)
#undef MEMBER
} crypto;
static const char *const names[] = {
#define NAME(name) #name,
	FUNCTIONS(NAME)
#undef NAME
		NULL
};
_Static_assert(sizeof(crypto) == (base_array_count(names) - 1) * sizeof(void *),
	"the table holds pointers alone");

/* Guards the table until it is ready, and x509 of certificates. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ready;

__attribute__((constructor)) static void keep_lock(void)
{
	base_lock_across_fork(BASE_FORK_CRYPTO, &lock);
}

/* What loads the library takes the load lock, which others hold when they come here. */
static int start(struct umod_error *error)
{
	void *found[base_array_count(names)];

	if (atomic_load_explicit(&ready, memory_order_acquire))
		return 0;
	int result = feature_backend_symbols(FEATURE_CRYPTO, names, found, error);
	if (result)
		return result;
	pthread_mutex_lock(&lock);
	if (!atomic_load(&ready))
		memcpy(&crypto, found, sizeof(crypto));
	atomic_store_explicit(&ready, true, memory_order_release);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* libcrypto's last word; it has a queue of them for each thread. */
static const char *reason(void)
{
	const char *text = crypto.ERR_reason_error_string(crypto.ERR_peek_last_error());

	return text ? text : "no reason given";
}

static X509 *certificate_of(struct feature_certificate *certificate)
{
	X509 *x509 = atomic_load_explicit(&certificate->x509, memory_order_acquire);

	if (x509)
		return x509;
	pthread_mutex_lock(&lock);
	x509 = atomic_load(&certificate->x509);
	if (!x509) {
		const unsigned char *p = certificate->der.bytes;
		x509 = crypto.d2i_X509(NULL, &p, (long)certificate->der.count);
		atomic_store_explicit(&certificate->x509, x509, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return x509;
}

void feature_crypto_free_certificate(void *x509)
{
	if (x509)
		crypto.X509_free(x509);
}

static int verify(CMS_ContentInfo *cms, X509 *x509, struct feature_span body)
{
	/* No chains, no certificates of the signature's own: the keyring has decided. */
	const unsigned flags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN;
	OPENSSL_STACK *certificates = crypto.OPENSSL_sk_new_null();
	BIO *bio = crypto.BIO_new_mem_buf(body.bytes, (int)body.count);
	int good = 0;

	if (certificates && bio && crypto.OPENSSL_sk_push(certificates, x509))
		good = crypto.CMS_verify(
			cms, (STACK_OF(X509) *)certificates, NULL, bio, NULL, flags);
	crypto.BIO_free(bio);
	crypto.OPENSSL_sk_free(certificates);
	return good;
}

int feature_crypto_verify(struct feature_certificate *certificate,
	struct feature_span cms_bytes, struct feature_span body, const char *name,
	struct umod_error *error)
{
	const unsigned char *p = cms_bytes.bytes;
	int result = start(error);

	if (result)
		return result;
	if (body.count > INT_MAX)
		return fail(-EFBIG, name, "it is too large");
	crypto.ERR_clear_error();
	X509 *x509 = certificate_of(certificate);
	if (!x509)
		return fail(-ENOTSUP, name,
			"libcrypto does not take the certificate of %s: %s",
			certificate->file, reason());
	CMS_ContentInfo *cms =
		crypto.d2i_CMS_ContentInfo(NULL, &p, (long)cms_bytes.count);
	if (!cms)
		return fail(-EBADMSG, name, "its signature is malformed: %s", reason());
	if (!verify(cms, x509, body))
		result = fail(-EKEYREJECTED, name,
			"it, or its signature, was changed after it was signed (%s)",
			reason());
	crypto.CMS_ContentInfo_free(cms);
	crypto.ERR_clear_error();
	return result;
}

/* ---- signing ---- */

static int give_password(char *buffer, int bytes, int writing, void *data)
{
	const char *password = data;
	size_t count = password ? strlen(password) : 0;

	(void)writing;
	if (!password || count > (size_t)bytes)
		return -1;
	memcpy(buffer, password, count);
	return (int)count;
}

static EVP_PKEY *read_key(const struct feature_sign_options *options)
{
	BIO *bio = crypto.BIO_new_mem_buf(options->key, (int)options->key_bytes);
	EVP_PKEY *key = NULL;

	if (bio)
		key = crypto.PEM_read_bio_PrivateKey(
			bio, NULL, give_password, (void *)options->password);
	crypto.BIO_free(bio);
	return key;
}

static CMS_ContentInfo *sign(const struct feature_sign_options *options, X509 *x509,
	EVP_PKEY *key, struct feature_span body)
{
	const unsigned flags = CMS_NOCERTS | CMS_BINARY | CMS_DETACHED;
	const EVP_MD *hash = crypto.EVP_get_digestbyname(options->hash);
	BIO *bio = crypto.BIO_new_mem_buf(body.bytes, (int)body.count);
	CMS_ContentInfo *cms = NULL;
	bool good = false;

	if (hash && bio)
		cms = crypto.CMS_sign(
			NULL, NULL, NULL, NULL, flags | CMS_PARTIAL | CMS_STREAM);
	if (cms)
		good = crypto.CMS_add1_signer(cms, x509, key, hash,
			       flags | CMS_NOATTR | CMS_NOSMIMECAP |
				       (options->by_key_id ? CMS_USE_KEYID : 0)) &&
		       crypto.CMS_final(cms, bio, NULL, flags);
	crypto.BIO_free(bio);
	if (good)
		return cms;
	crypto.CMS_ContentInfo_free(cms);
	return NULL;
}

int feature_crypto_sign(const struct feature_sign_options *options,
	struct feature_span body, uint8_t **out, size_t *count, size_t room_after,
	struct umod_error *error)
{
	struct feature_certificate *certificate =
		(struct feature_certificate *)options->certificate;
	int result = start(error);

	if (result)
		return result;
	if (body.count > INT_MAX || options->key_bytes > INT_MAX)
		return fail(-EFBIG, NULL, "it is too large to be signed");
	if (!crypto.EVP_get_digestbyname(options->hash))
		return fail(-EINVAL, options->hash, "there is no hash %s", options->hash);
	crypto.ERR_clear_error();
	EVP_PKEY *key = read_key(options);
	if (!key)
		return fail(
			-EINVAL, NULL, "the private key cannot be read: %s", reason());
	X509 *x509 = certificate_of(certificate);
	CMS_ContentInfo *cms = NULL;
	if (!x509 || !crypto.X509_check_private_key(x509, key)) {
		result = fail(-EINVAL, certificate->file,
			"the private key is not this certificate's: %s", reason());
	} else {
		cms = sign(options, x509, key, body);
		if (!cms)
			result = fail(-EINVAL, NULL, "cannot be signed: %s", reason());
	}
	int bytes = cms ? crypto.i2d_CMS_ContentInfo(cms, NULL) : 0;
	if (result == 0) {
		*out = bytes > 0 ? base_alloc((size_t)bytes + room_after) : NULL;
		result = *out ? 0 : fail(-ENOMEM, NULL, "no memory for a signature");
	}
	if (result == 0) {
		unsigned char *p = *out;
		*count = (size_t)crypto.i2d_CMS_ContentInfo(cms, &p);
	}
	crypto.CMS_ContentInfo_free(cms);
	crypto.EVP_PKEY_free(key);
	crypto.ERR_clear_error();
	return result;
}
