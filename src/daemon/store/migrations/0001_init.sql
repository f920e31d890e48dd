-- Virtual machines: what should be. What is lies in the run directories.
CREATE TABLE vms (
  -- AUTOINCREMENT: an id names one VM for ever, and so does its run directory.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (
    status IN ('pending', 'starting', 'running', 'paused', 'stopping', 'stopped', 'crashed')
  ),
  config TEXT NOT NULL CHECK (json_valid(config)),
  artifacts TEXT NOT NULL CHECK (json_valid(artifacts)),
  lease TEXT NOT NULL CHECK (json_valid(lease)),
  hypervisor TEXT NOT NULL,
  kernel_cmdline TEXT NOT NULL DEFAULT '',
  boot TEXT CHECK (boot IS NULL OR json_valid(boot)),
  exit TEXT CHECK (exit IS NULL OR json_valid(exit)),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
