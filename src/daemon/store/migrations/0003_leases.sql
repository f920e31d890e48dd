-- An address belongs to one VM from create to delete; the row goes with the VM's, which goes last.
CREATE TABLE leases (
  address TEXT PRIMARY KEY,
  vm_id INTEGER NOT NULL UNIQUE REFERENCES vms (id) ON DELETE CASCADE
) STRICT;
