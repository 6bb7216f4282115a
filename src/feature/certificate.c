/* SPDX-License-Identifier: MIT */
/*
 * Reads X.509 certificates (RFC 5280) as far as finding a signer's key and showing it
 * needs. It does not verify certificates: those of a keyring are trusted for being there.
 */
#include "feature/signature.h"

/* Two decimal digits; -1: none. */
static int two(const uint8_t *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* UTCTime or GeneralizedTime, both in whole seconds and UTC. */
static bool read_time(struct feature_span *in, int64_t *out)
{
	struct feature_der item;
	int year, fields[5];

	if (!feature_der_next(in, &item) || (item.tag != 0x17 && item.tag != 0x18))
		return false;
	const uint8_t *p = item.content.bytes;
	size_t year_digits = item.tag == 0x17 ? 2 : 4;
	if (item.content.count != year_digits + 11 || p[year_digits + 10] != 'Z' ||
		two(p) < 0)
		return false;
	year = two(p);
	if (year_digits == 2) {
		year += year < 50 ? 2000 : 1900;
	} else {
		if (two(p + 2) < 0)
			return false;
		year = year * 100 + two(p + 2);
	}
	for (unsigned i = 0; i < 5; i++) {
		fields[i] = two(p + year_digits + 2 * i);
		if (fields[i] < 0)
			return false;
	}
	if (fields[0] < 1 || fields[0] > 12)
		return false;
	/* Days of the civil calendar, in years that begin in March. */
	int64_t y = year - (fields[0] <= 2), m = (fields[0] + 9) % 12;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 +
		       fields[1] - 1 - 719468;
	*out = ((days * 24 + fields[2]) * 60 + fields[3]) * 60 + fields[4];
	return true;
}

static const char *key_kind(struct feature_span info)
{
	static const struct {
		const char *oid, *name;
	} kinds[] = {
		{ "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "RSA" },
		{ "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "RSA-PSS" },
		{ "\x2a\x86\x48\xce\x3d\x02\x01", "EC" },
		{ "\x2b\x65\x70", "Ed25519" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x03\x11", "ML-DSA-44" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x03\x12", "ML-DSA-65" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x03\x13", "ML-DSA-87" },
	};
	struct feature_der algorithm, oid, bits;

	if (!feature_der_take(&info, 0x30, &algorithm) ||
		!feature_der_take(&algorithm.content, 0x06, &oid) ||
		!feature_der_take(&info, 0x03, &bits) || info.count)
		return NULL;
	for (size_t i = 0; i < base_array_count(kinds); i++) {
		if (strlen(kinds[i].oid) == oid.content.count &&
			memcmp(kinds[i].oid, oid.content.bytes, oid.content.count) == 0)
			return kinds[i].name;
	}
	return "unknown";
}

/* Extensions are a sequence of {oid, critical?, octets}; wanted is 2.5.29.14. */
static void read_key_id(struct feature_span in, struct feature_certificate *out)
{
	static const uint8_t wanted[] = { 0x55, 0x1d, 0x0e };
	struct feature_der list, item, oid, value, id;

	if (!feature_der_take(&in, 0x30, &list))
		return;
	while (feature_der_take(&list.content, 0x30, &item)) {
		if (!feature_der_take(&item.content, 0x06, &oid))
			continue;
		(void)feature_der_take(&item.content, 0x01, &value);
		if (oid.content.count == sizeof(wanted) &&
			memcmp(oid.content.bytes, wanted, sizeof(wanted)) == 0 &&
			feature_der_take(&item.content, 0x04, &value) &&
			feature_der_take(&value.content, 0x04, &id))
			out->key_id = id.content;
	}
}

bool feature_certificate_parse(struct feature_span bytes, struct feature_certificate *out)
{
	struct feature_der whole, body, item, name, validity;

	memset(out, 0, sizeof(*out));
	if (!feature_der_take(&bytes, 0x30, &whole) ||
		!feature_der_take(&whole.content, 0x30, &body) ||
		!feature_der_take(&whole.content, 0x30, &item) ||
		!feature_der_take(&whole.content, 0x03, &item) || whole.content.count)
		return false;
	out->der = whole.whole;
	struct feature_span in = body.content;
	(void)feature_der_take(&in, 0xa0, &item); /* version */
	if (!feature_der_take(&in, 0x02, &item))
		return false;
	out->serial = item.content;
	if (!feature_der_take(&in, 0x30, &item) || !feature_der_take(&in, 0x30, &name))
		return false;
	out->issuer = name.whole;
	out->issuer_name = feature_der_common_name(name.content);
	if (!feature_der_take(&in, 0x30, &validity) ||
		!read_time(&validity.content, &out->not_before) ||
		!read_time(&validity.content, &out->not_after) || validity.content.count)
		return false;
	if (!feature_der_take(&in, 0x30, &name))
		return false;
	out->subject = name.whole;
	out->subject_name = feature_der_common_name(name.content);
	if (!feature_der_take(&in, 0x30, &item))
		return false;
	out->key_kind = key_kind(item.content);
	while (feature_der_next(&in, &item)) {
		if (item.tag == 0xa3)
			read_key_id(item.content, out);
	}
	return out->key_kind && in.count == 0;
}
