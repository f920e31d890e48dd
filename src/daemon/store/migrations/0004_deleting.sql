-- Set before anything of a VM is removed, so that a deletion that was interrupted is finished, and never half of a VM started.
ALTER TABLE vms ADD COLUMN deleting INTEGER NOT NULL DEFAULT 0 CHECK (deleting IN (0, 1));
