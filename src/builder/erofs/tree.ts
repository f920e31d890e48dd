/**
 * A file system tree as a writer of images takes it: names and metadata in
 * memory, contents already written, by reference.
 *
 * Names and targets are "binary strings": one character per byte, 0 to 255, so
 * that a name that is no UTF-8 comes out as it went in. One node that stands
 * under several names is a hard link.
 *
 * @module
 */

export interface Metadata {
  /** Permission bits with setuid, setgid and sticky; no file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, whole. */
  readonly mtime: number;
  readonly mtimeNs?: number;
  /** By whole name (`user.x`, `security.capability`), binary strings. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

export interface DirectoryNode<Data> extends Metadata {
  readonly kind: "directory";
  readonly entries: ReadonlyMap<string, FsNode<Data>>;
}

export interface FileNode<Data> extends Metadata {
  readonly kind: "file";
  readonly data: Data;
}

export interface SymlinkNode extends Metadata {
  readonly kind: "symlink";
  readonly target: string;
}

export interface DeviceNode extends Metadata {
  readonly kind: "char" | "block";
  readonly major: number;
  readonly minor: number;
}

export interface PipeNode extends Metadata {
  readonly kind: "fifo" | "socket";
}

/** `Data` is what the writer gave for a file's content. */
export type FsNode<Data> =
  | DirectoryNode<Data>
  | FileNode<Data>
  | SymlinkNode
  | DeviceNode
  | PipeNode;
