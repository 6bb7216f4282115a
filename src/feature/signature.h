/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: signatures in the kernel's format: who signed a module, whether the signature
 * is good by a keyring, and making one. Bytes of modules, certificates and kernel images
 * are untrusted; they are read here by a strict reader of DER, and only what that accepts
 * is handed to libcrypto, which alone knows the mathematics.
 *
 * A keyring that is not changed any more may be used by any number of threads.
 */
#ifndef UMOD_FEATURE_SIGNATURE_H
#define UMOD_FEATURE_SIGNATURE_H

#include "feature/feature.h"

/* ---- DER (der.c): X.690, definite lengths in their shortest form ---- */

struct feature_span {
	const uint8_t *bytes;
	size_t count;
};
struct feature_der {
	uint8_t tag;
	struct feature_span content, whole; /* without and with tag and length */
};
/* Takes the next element off @in. False: none, or malformed; @in is then as it was. */
bool feature_der_next(struct feature_span *in, struct feature_der *out);
/* The same, if its tag is @tag. */
bool feature_der_take(struct feature_span *in, uint8_t tag, struct feature_der *out);
static inline bool feature_span_same(struct feature_span a, struct feature_span b)
{
	return a.count == b.count && a.count && memcmp(a.bytes, b.bytes, a.count) == 0;
}
/* The last common name in a Name's content; bytes NULL: none. */
struct feature_span feature_der_common_name(struct feature_span name);
/* "sha256", ... of an AlgorithmIdentifier's content; NULL: unknown. */
const char *feature_der_hash(struct feature_span algorithm);

/* ---- who signed (signer.c) ---- */

/* All borrowed from the module's bytes. */
struct feature_signer {
	const char *id_type;        /* "PKCS#7"; older: "PGP", "X509" */
	const char *hash;           /* "sha256"; NULL: one that is not known */
	struct feature_span signer; /* the issuer's common name */
	struct feature_span key_id; /* serial number, or the key's identifier */
	struct feature_span value;  /* the signature proper */
	struct feature_span issuer; /* Name, DER; or none: the key's identifier */
	struct feature_span cms;
	bool has_attributes, is_detached, post_quantum;
	unsigned signers;
};
/*
 * Reads what the signature at @at in @file says of itself; nothing of it is verified.
 * 0, -EBADMSG: malformed; -ENOTSUP: a kind that is not known.
 */
int feature_signer_read(const struct elf_bytes *file, const char *name,
	const struct feature_signature *at, struct feature_signer *out,
	struct umod_error *error);

/* ---- keyrings (certificate.c, keyring.c) ---- */

struct feature_certificate {
	const char *file;                    /* where it was found */
	struct feature_span der;             /* whole */
	struct feature_span issuer, subject; /* Names, DER */
	struct feature_span issuer_name, subject_name, serial;
	struct feature_span key_id;    /* subject key identifier; or none */
	const char *key_kind;          /* "RSA", "EC", ...; static */
	int64_t not_before, not_after; /* seconds since 1970 */
	_Atomic(void *) x509;          /* libcrypto's, made at first use */
};
/* A certificate at the start of @bytes, which may go on; borrowed. False: none. */
bool feature_certificate_parse(
	struct feature_span bytes, struct feature_certificate *out);

struct feature_keyring;
int feature_keyring_new(struct feature_keyring **out);
void feature_keyring_free(struct feature_keyring *keyring);
/*
 * Adds what is in @bytes: DER, or any number of PEM certificates. They are copied. 0;
 * -EBADMSG: no certificate, or a damaged one; -ENOMEM.
 */
int feature_keyring_add(struct feature_keyring *keyring, const void *bytes, size_t count,
	const char *file, struct umod_error *error);
/*
 * Adds the files of the directory @path, or the file @path; hidden files, and those whose
 * names end in none of .pem .crt .cer .der .x509, are passed over. With @guard, -EPERM if
 * somebody else than root or the caller may change it or a file of it: what a privileged
 * process needs. All files are tried; the first error is returned.
 */
int feature_keyring_read(struct feature_keyring *keyring, const char *path, bool guard,
	struct umod_error *error);
size_t feature_keyring_count(const struct feature_keyring *keyring);
/* Borrowed; NULL past the last. */
struct feature_certificate *feature_keyring_at(
	const struct feature_keyring *keyring, size_t index);
/* In PEM; the caller frees it. NULL: no memory. */
char *feature_certificate_pem(const struct feature_certificate *certificate);

/*
 * Finds the certificates in a kernel's image @bytes (vmlinuz, Image, vmlinux; packed
 * images are unpacked) and adds them. 0; -ENOKEY: none; -ENOTSUP: packed by something
 * that is not known; or what unpacking returned.
 */
int feature_keyring_add_kernel(struct feature_keyring *keyring, const void *bytes,
	size_t count, const char *file, struct umod_error *error);

/* ---- verifying (signature.c) ---- */

enum feature_verdict {
	FEATURE_NOT_CHECKED = 0, /* no keyring, or no libcrypto: -ENOTSUP */
	FEATURE_VERIFIED,        /* 0 */
	FEATURE_UNSIGNED,        /* -ENODATA */
	FEATURE_UNKNOWN_KEY,     /* -ENOKEY */
	FEATURE_EXPIRED,         /* -EKEYEXPIRED: or not yet valid */
	FEATURE_MISMATCH,        /* -EKEYREJECTED: this key did not sign these bytes */
	FEATURE_BAD_TRAILER,     /* -EBADMSG */
	FEATURE_BAD_CMS,         /* -EBADMSG */
	FEATURE_UNSUPPORTED,     /* -ENOPKG: a kind or an algorithm that is not taken */
	FEATURE_VERDICT_COUNT,
};
/* "verified", "unsigned", "not checked", "unknown key", ...; static. */
const char *feature_verdict_name(enum feature_verdict verdict);

struct feature_verify_options {
	/* What an expired signer is: false, refused; true, as the kernel does, accepted.
	 */
	bool allow_expired;
	int64_t now; /* seconds since 1970; 0: the clock's */
};
struct feature_verification {
	enum feature_verdict verdict;
	uint64_t body_bytes; /* what is the module without its signature */
	struct feature_signer signer;
	const struct feature_certificate *by; /* in the keyring; NULL if unknown */
};
/*
 * Judges the module in @file, all of whose bytes are there. @keyring NULL: not checked.
 * Returns 0 if it is verified, else the verdict's errno with the reason in @error. The
 * kernel's own demands hold: reserved bytes zero, no signed attributes.
 */
int feature_verify(const struct feature_keyring *keyring, const struct elf_bytes *file,
	const char *name, const struct feature_verify_options *options,
	struct feature_verification *out, struct umod_error *error);

/* ---- signing (signature.c) ---- */

struct feature_sign_options {
	const char *hash;     /* "sha256" */
	const void *key;      /* PEM, perhaps encrypted */
	size_t key_bytes;     /* of it */
	const char *password; /* NULL: none */
	const struct feature_certificate *certificate;
	bool by_key_id; /* name the key by its identifier, not by issuer and serial */
};
/*
 * Makes a detached signature of @body: CMS and trailer, to be appended to it. The caller
 * frees *@out with base_free. 0; -EINVAL: key or hash are not fit; -ENOTSUP.
 */
int feature_sign(const struct feature_sign_options *options, struct feature_span body,
	uint8_t **out, size_t *count, struct umod_error *error);

/* ---- what is asked of libcrypto (crypto.c, or crypto_none.c) ---- */

/* 0; -EKEYREJECTED; -EBADMSG; -ENOTSUP. */
int feature_crypto_verify(struct feature_certificate *certificate,
	struct feature_span cms, struct feature_span body, const char *name,
	struct umod_error *error);
/* The CMS of a signature, @room bytes free in front of none. */
int feature_crypto_sign(const struct feature_sign_options *options,
	struct feature_span body, uint8_t **out, size_t *count, size_t room_after,
	struct umod_error *error);
void feature_crypto_free_certificate(void *x509);

#endif
