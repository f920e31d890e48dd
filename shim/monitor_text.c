// Text in fixed buffers, strict numbers, and the two clocks: what the other files need and the C library would do with
// more code, a locale or a heap.

#include "monitor.h"

#include <string.h>
#include <time.h>

void text_add_bytes(struct text *text, const char *bytes, size_t count)
{
	size_t room = text->size - 1 - text->length;
	if (count > room)
		count = room;
	memcpy(text->bytes + text->length, bytes, count);
	text->length += count;
}

void text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void text_add_number(struct text *text, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	text_add_bytes(text, digits + at, sizeof digits - at);
}

const char *text_end(struct text *text)
{
	text->bytes[text->length] = '\0';
	return text->bytes;
}

// Length of the UTF-8 sequence at `bytes` that a terminal may be shown, 0 when there is none: a control character (C1, which
// some terminals obey, included), a stray byte, an overlong form, a surrogate.
static size_t clean_length(const unsigned char *bytes, size_t count)
{
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	unsigned char first = bytes[0];
	if (first < 0x80)
		return first >= 0x20 && first != 0x7f;
	size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || length > count)
		return 0;
	uint32_t point = first & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	return length;
}

// Adds what is fit for a person's terminal and for a line of the state file, and leaves out the rest. A character is added
// whole or not at all.
void text_add_clean(struct text *text, const char *bytes, size_t count)
{
	while (count > 0) {
		size_t length = clean_length((const unsigned char *)bytes, count);
		if (text->length + length >= text->size)
			return;
		text_add_bytes(text, bytes, length);
		size_t step = length == 0 ? 1 : length;
		bytes += step;
		count -= step;
	}
}

// Decimal digits only, no sign, no space, at most `max`.
bool number_parse(const char *string, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;
	size_t digits = 0;
	for (; string[digits] >= '0' && string[digits] <= '9'; digits++) {
		uint64_t digit = (uint64_t)(string[digits] - '0');
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (digits == 0 || string[digits] != '\0')
		return false;
	*number = value;
	return true;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time = { 0 };
	// These two clocks always exist, and the pointer is good: there is no error left to report.
	(void)clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

// Never set back.
uint64_t now_steady_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

// For deadlines. Never 0, so that 0 can mean "none".
uint64_t now_ms(void)
{
	return now_steady_ns() / 1000000U + 1;
}

// For people and for comparing with other programs' clocks.
uint64_t now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

// Moves a deadline forward to another one; 0 is none.
void sooner(uint64_t *deadline_ms, uint64_t other_ms)
{
	if (other_ms != 0 && (*deadline_ms == 0 || other_ms < *deadline_ms))
		*deadline_ms = other_ms;
}
