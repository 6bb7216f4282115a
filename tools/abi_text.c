/* SPDX-License-Identifier: MIT */
/*
 * Texts and checksums for umod abi. The CRC of a long text is put together from those of
 * its parts, which are computed once however many symbols reach them.
 */
#include "abi.h"

#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

void abi_text_add(struct abi_text *text, const char *s, size_t count)
{
	if (text->capacity - text->count <= count) {
		size_t capacity = 2 * text->capacity + count + 64;
		text->bytes = tool_realloc(text->bytes, capacity, 1);
		text->capacity = capacity;
	}
	if (count)
		memcpy(text->bytes + text->count, s, count);
	text->count += count;
	text->bytes[text->count] = '\0';
}

static char *format_list(const char *format, va_list list, size_t *count)
{
	char *s = NULL;
	int done = vasprintf(&s, format, list);

	if (done < 0) {
		s = tool_strdup("");
		done = 0;
	}
	*count = (size_t)done;
	return s;
}

void abi_text_put(struct abi_text *text, const char *format, ...)
{
	va_list list;
	size_t count;

	va_start(list, format);
	char *s = format_list(format, list, &count);
	va_end(list);
	abi_text_add(text, s, count);
	free(s);
}

void abi_text_free(struct abi_text *text)
{
	free(text->bytes);
	*text = (struct abi_text){ 0 };
}

char *abi_format(const char *format, ...)
{
	va_list list;
	size_t count;

	va_start(list, format);
	char *s = format_list(format, list, &count);
	va_end(list);
	return s;
}

/* ---- CRC-32, reflected, polynomial 0xedb88320 ---- */

#define POLYNOMIAL 0xedb88320u

uint32_t abi_crc(uint32_t crc, const void *bytes, size_t count)
{
	static uint32_t table[256];
	const uint8_t *p = bytes;

	if (!table[1]) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t value = i;
			for (int bit = 0; bit < 8; bit++)
				value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
			table[i] = value;
		}
	}
	crc = ~crc;
	for (; count; count--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* a(x) * b(x) modulo the polynomial; bit 31 is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = (uint32_t)1 << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
	}
	return product;
}

/* x to the power of 8 * @count. */
uint32_t abi_crc_shift(size_t count)
{
	uint32_t power = (uint32_t)1 << 23, result = (uint32_t)1 << 31;

	for (; count; count >>= 1) {
		if (count & 1)
			result = multiply(power, result);
		power = multiply(power, power);
	}
	return result;
}

uint32_t abi_crc_join(uint32_t first, uint32_t second, uint32_t shift)
{
	return multiply(shift, first) ^ second;
}
