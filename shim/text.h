/* Strings and numbers for a program without a libc. */
#ifndef SHIM_TEXT_H
#define SHIM_TEXT_H

#include "sys.h"

/* For the compiler, which calls them of its own accord, as for others. */
void *memcpy(void *restrict into, const void *restrict from, unsigned long size);
void *memset(void *into, int value, unsigned long size);

unsigned long text_length(const char *text);

int text_same(const char *a, const char *b);

/* The rest of `text` behind `prefix`, or NULL if it does not begin with that. */
const char *text_after(const char *text, const char *prefix);

/*
 * Reads decimal digits, at least one and nothing over `max` (which is 9 or more); returns what stands behind them, or
 * NULL. `text` may be NULL, so that calls can be chained and looked at once.
 */
const char *text_number(const char *text, u64 max, u64 *number);

/* Reads the character `wanted` in the same manner. */
const char *text_char(const char *text, char wanted);

/* Whether `text` is a number, and nothing else. */
int text_is_number(const char *text, u64 max, u64 *number);

/*
 * The one line under construction: words are put at its end, then it is sent somewhere and `line_length` set to 0. It
 * always ends with a NUL; what does not fit is cut.
 */
#define LINE_SIZE 4352
extern char line[LINE_SIZE];
extern u32 line_length;

void put_bytes(const char *bytes, unsigned long count);
void put(const char *text);
void put_number(u64 number);

/* How the sentence begins that says what could not be done; the console gets it without the first word. */
#define SENTENCE "fault cannot "

/* Writes the line to a file and empties it. */
void put_to(long fd);

#endif
