import assert from "node:assert/strict";
import { folders } from "./folders.ts";

const from = (env: Record<string, string>) => (name: string) => env[name];

Deno.test("folders() are the system's for root, and the user's own for a user", () => {
  assert.deepEqual(folders(from({}), true), {
    stateDir: "/var/lib/volant",
    runtimeDir: "/run/volant",
    socketPath: "/run/volant/volant.sock",
  });
  const user = { HOME: "/home/u", XDG_RUNTIME_DIR: "/run/user/1000" };
  assert.deepEqual(folders(from(user), false), {
    stateDir: "/home/u/.local/state/volant",
    runtimeDir: "/run/user/1000/volant",
    socketPath: "/run/user/1000/volant/volant.sock",
  });
});

Deno.test("a state directory of one's own brings its own runtime directory", () => {
  const env = { VOLANT_STATE_DIR: "/tmp/v", XDG_RUNTIME_DIR: "/run/user/1000" };
  assert.equal(folders(from(env), false).runtimeDir, "/tmp/v/run");
});

Deno.test("without any place to be, folders() says what to set", () => {
  assert.throws(() => folders(from({}), false), { code: "invalid-input" });
});

Deno.test("folders() takes an empty variable for none", () => {
  const empty = { VOLANT_STATE_DIR: "", VOLANT_RUNTIME_DIR: "" };
  const found = folders((name) => empty[name as keyof typeof empty], true);
  assert.equal(found.stateDir, "/var/lib/volant");
  assert.equal(found.socketPath, "/run/volant/volant.sock");
});
