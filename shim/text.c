/* Strings and numbers, and the line under construction. */
#include "text.h"

char line[LINE_SIZE];
u32 line_length;

/* `used`: link-time optimisation cannot see calls that the compiler makes up later. */
__attribute__((used)) void *memcpy(void *restrict into, const void *restrict from, unsigned long size)
{
	char *to = into;
	const char *byte = from;
	while (size-- > 0)
		*to++ = *byte++;
	return into;
}

__attribute__((used)) void *memset(void *into, int value, unsigned long size)
{
	char *to = into;
	while (size-- > 0)
		*to++ = (char)value;
	return into;
}

unsigned long text_length(const char *text)
{
	const char *end = text;
	while (*end)
		end++;
	return (unsigned long)(end - text);
}

const char *text_after(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return 0;
	return text;
}

int text_same(const char *a, const char *b)
{
	const char *rest = text_after(a, b);
	return rest && !*rest;
}

const char *text_number(const char *text, u64 max, u64 *number)
{
	const char *start = text;
	u64 value = 0;
	if (!text)
		return 0;
	for (;; text++) {
		const u64 digit = (u64)*text - '0';
		if (digit > 9)
			break;
		if (value > (max - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	*number = value;
	return text == start ? 0 : text;
}

const char *text_char(const char *text, char wanted)
{
	return text && *text == wanted ? text + 1 : 0;
}

int text_is_number(const char *text, u64 max, u64 *number)
{
	const char *end = text_number(text, max, number);
	return end && !*end;
}

void put_bytes(const char *bytes, unsigned long count)
{
	while (count-- > 0 && line_length < LINE_SIZE - 1)
		line[line_length++] = *bytes++;
	line[line_length] = 0;
}

void put(const char *text)
{
	put_bytes(text, text_length(text));
}

void put_number(u64 number)
{
	char digits[24];
	char *digit = digits + sizeof(digits) - 1;
	*digit = 0;
	do
		*--digit = (char)('0' + number % 10);
	while (number /= 10);
	put(digit);
}

void put_to(long fd)
{
	sys_write(fd, line, line_length);
	line_length = 0;
}
