import assert from "node:assert/strict";
import { ConsoleEscape } from "./console_escape.ts";

/** Types each word in turn; what reached the guest, and whether it ended. */
function typing(...words: string[]): readonly [string, boolean] {
  const escape = new ConsoleEscape();
  let sent = "";
  for (const word of words) {
    const { bytes, leave } = escape.feed(new TextEncoder().encode(word));
    sent += new TextDecoder().decode(bytes);
    if (leave) return [sent, true];
  }
  return [sent, false];
}

Deno.test("~. leaves at the very beginning and after Enter", () => {
  assert.deepEqual(typing("~."), ["", true]);
  assert.deepEqual(typing("ls\r~.more"), ["ls\r", true]);
});

Deno.test("~. is found when each key comes alone", () => {
  assert.deepEqual(typing("l", "s", "\r", "~", "."), ["ls\r", true]);
});

Deno.test("a tilde inside a line is only a tilde", () => {
  assert.deepEqual(typing("cd ~.\r"), ["cd ~.\r", false]);
});

Deno.test("two tildes are one, and another byte keeps both", () => {
  assert.deepEqual(typing("~~."), ["~.", false]);
  assert.deepEqual(typing("~/bin\r"), ["~/bin\r", false]);
});

Deno.test("a tilde and Enter begin a new line", () => {
  assert.deepEqual(typing("~\r~."), ["~\r", true]);
});
