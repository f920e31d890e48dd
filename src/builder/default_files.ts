/**
 * What every initramfs holds besides what its author maps: the folders that
 * mounts and programs expect, a console for the kernel to give to PID 1, and
 * the two accounts without which programs call themselves nobody. A mapping
 * that brings one of these wins.
 *
 * Not written, on purpose: /etc/hosts, /etc/hostname and /etc/resolv.conf,
 * which the shim writes at boot, and /etc/nsswitch.conf, whose absence means
 * "files dns" to glibc, musl and Go.
 *
 * @module
 */

import { ROOT_OWNED, type RootTree } from "./tree.ts";

const FOLDERS: readonly (readonly [path: string, mode: number])[] = [
  ["/bin", 0o755],
  ["/dev", 0o755],
  ["/etc", 0o755],
  ["/lib", 0o755],
  ["/proc", 0o555],
  ["/root", 0o700],
  ["/run", 0o755],
  ["/sbin", 0o755],
  ["/sys", 0o555],
  ["/tmp", 0o1777],
  ["/usr", 0o755],
  ["/usr/bin", 0o755],
  ["/usr/lib", 0o755],
  ["/usr/sbin", 0o755],
  ["/var", 0o755],
  ["/var/log", 0o755],
  ["/var/tmp", 0o1777],
];

const PASSWD = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
`;

const GROUP = `root:x:0:
nogroup:x:65534:
`;

/** Adds what is not there yet. */
export function addDefaultFiles(tree: RootTree): void {
  for (const [path, mode] of FOLDERS) {
    tree.putIfFree(path, { kind: "directory", mode, ...ROOT_OWNED });
  }
  tree.putIfFree("/dev/console", {
    kind: "char-device",
    mode: 0o600,
    major: 5,
    minor: 1,
    ...ROOT_OWNED,
  });
  addText(tree, "/etc/passwd", PASSWD);
  addText(tree, "/etc/group", GROUP);
}

function addText(tree: RootTree, path: string, text: string): void {
  const content = new TextEncoder().encode(text);
  tree.putIfFree(path, { kind: "file", mode: 0o644, ...ROOT_OWNED, content });
}
