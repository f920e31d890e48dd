import assert from "node:assert/strict";
import { modeOfMappedFile } from "./permissions.ts";

Deno.test("a file's mode follows from its own and from where it comes to lie", () => {
  const cases: [host: number, path: string, mode: number][] = [
    [0o755, "/srv/run", 0o755],
    [0o700, "/srv/run", 0o755],
    [0o750, "/usr/bin/run", 0o755],
    [0o744, "/srv/run", 0o755],
    [0o100, "/srv/run", 0o755],
    [0o4755, "/usr/bin/su", 0o755],
    [0o775, "/srv/run", 0o755],
    [0o777, "/srv/run", 0o755],
    [0o644, "/usr/bin/app", 0o755],
    [0o600, "/opt/bin/app", 0o755],
    [0o644, "/usr/local/sbin/deep/app", 0o755],
    [0o644, "/usr/binary/app", 0o644],
    [0o644, "/usr/lib/libx.so", 0o755],
    [0o644, "/lib/x86_64-linux-gnu/libx.so.1.2", 0o755],
    [0o644, "/usr/lib/x.conf", 0o644],
    [0o644, "/usr/lib/libso.txt", 0o644],
    [0o644, "/srv/libx.so", 0o644],
    [0o600, "/etc/secret", 0o644],
    [0o666, "/etc/open", 0o644],
  ];
  for (const [host, path, mode] of cases) {
    assert.equal(
      modeOfMappedFile(host, path).toString(8),
      mode.toString(8),
      `${host.toString(8)} ${path}`,
    );
  }
});
