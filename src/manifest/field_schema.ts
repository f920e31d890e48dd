/**
 * The kinds of value that the keys of a manifest and of a fledge.toml hold.
 * Each forgives in spelling what cannot be misunderstood (spaces around a
 * word, the case of a word from a list, a checksum without its prefix), so
 * that what leaves a schema has one spelling. Their messages continue the
 * sentence "<key> ...".
 *
 * @module
 */

import { z } from "zod";
import { type Digest, DIGEST_REGEXP, PORT_MAX, spellDigest } from "./values.ts";

const ONE_LINE_REGEXP = /^\P{Cc}*$/u;

const URL_REGEXP = /^(?:https?:\/\/[^\s/]+.*|sha256:[0-9a-f]{64}|(?!\w+:).+)$/;

/** A line of text, trimmed, not empty. */
export function word(lengthMax = 255): z.ZodString {
  return z.string().trim().min(1).max(lengthMax).regex(
    ONE_LINE_REGEXP,
    "contains a control character",
  );
}

/** Text handed on as it is: arguments and values, which may be empty. */
export function verbatim(): z.ZodString {
  return z.string().refine((text) => !text.includes("\0"), {
    error: "contains a NUL byte",
  });
}

/** One of a list of words, in any case. */
export function oneOf<const Words extends readonly [string, ...string[]]>(
  words: Words,
): z.ZodType<Words[number], unknown> {
  return z.preprocess(lowerCase, z.enum(words));
}

/** A SHA-256, with or without its prefix. */
export function checksum(): z.ZodType<Digest, unknown> {
  return z.preprocess(
    onString(spellDigest),
    z.string().regex(
      DIGEST_REGEXP,
      "is not a SHA-256: sha256: and 64 hexadecimal digits",
    ).transform((text) => text as Digest),
  );
}

/** Where a file is: `file://` is dropped, other schemes than http(s) refused. */
export function location(): z.ZodType<string, unknown> {
  return z.preprocess(
    onString(withoutFileScheme),
    z.string().min(1).max(4096)
      .regex(ONE_LINE_REGEXP, "contains a control character")
      .regex(
        URL_REGEXP,
        "is not an http(s):// URL, a path or a sha256: digest",
      ),
  );
}

/** An absolute path in the guest without `..`. */
export function guestPath(): z.ZodString {
  return word(4095)
    .regex(/^\//, "is not an absolute path: it does not start with '/'")
    .regex(/^(?!.*\/\.\.(?:\/|$))/, "contains '..'");
}

export function portNumber(min: 0 | 1 = 1): z.ZodInt {
  return z.int().min(min).max(PORT_MAX);
}

/** Milliseconds, at most a day. */
export function milliseconds(min = 1): z.ZodInt {
  return z.int().min(min).max(86_400_000);
}

/** Environment variables: any value, and any name a C program can look up. */
export function environment(): z.ZodRecord<z.ZodString, z.ZodString> {
  return z.record(
    z.string().regex(/^[^=\s\p{Cc}]+$/u, "is not the name of a variable"),
    verbatim(),
  );
}

/** A function on strings that leaves other values for the schema to refuse. */
export function onString(
  change: (text: string) => unknown,
): (value: unknown) => unknown {
  return (value) => typeof value === "string" ? change(value) : value;
}

function lowerCase(value: unknown): unknown {
  return typeof value === "string" ? value.trim().toLowerCase() : value;
}

/**
 * `file:///a` is /a. The original's builder also wrote `file://a`, meaning the
 * file a beside the manifest.
 */
function withoutFileScheme(text: string): string {
  const plain = text.trim();
  if (!/^file:\/\//i.test(plain)) return plain;
  const path = plain.slice("file://".length).replace(/^localhost\//i, "/");
  try {
    return decodeURIComponent(path);
  } catch {
    // A '%' that starts no escape is part of the name.
    return path;
  }
}
