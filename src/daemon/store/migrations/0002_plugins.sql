-- Installed manifests. Their artifacts are held by digest as long as the row is there.
CREATE TABLE plugins (
  name TEXT PRIMARY KEY,
  version TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  manifest TEXT NOT NULL CHECK (json_valid(manifest)),
  -- What the manifest's files are: {"initramfs": "sha256:...", "rootfs": "sha256:..."}.
  artifacts TEXT NOT NULL CHECK (json_valid(artifacts)),
  installed_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
