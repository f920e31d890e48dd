-- What was last asked for, whatever became of it since; and when the restart policy starts the VM again.
ALTER TABLE vms ADD COLUMN wanted TEXT NOT NULL DEFAULT 'stopped' CHECK (wanted IN ('running', 'stopped'));
UPDATE vms SET wanted = 'running' WHERE status IN ('starting', 'running', 'paused');
-- Of the host, at the last start: tells a machine that the host's end took along from one that was lost.
ALTER TABLE vms ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
-- Starts by the restart policy, in a row.
ALTER TABLE vms ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vms ADD COLUMN restart_at TEXT;
-- Manifests that were stored before these had a default.
UPDATE vms SET config = json_insert(config, '$.manifest.resources.disk_mb', 10240);
UPDATE vms SET config = json_insert(config, '$.manifest.workload.groups', json('[]'))
WHERE json_type(config, '$.manifest.workload') = 'object';
