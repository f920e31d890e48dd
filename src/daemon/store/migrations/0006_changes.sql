-- How often anything was changed: tells which of two copies of this database is the newer one, whatever the clock did.
CREATE TABLE changes (count INTEGER NOT NULL) STRICT;
INSERT INTO changes VALUES (1);
CREATE TRIGGER vm_inserted AFTER INSERT ON vms BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER vm_updated AFTER UPDATE ON vms BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER vm_deleted AFTER DELETE ON vms BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER plugin_inserted AFTER INSERT ON plugins BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER plugin_updated AFTER UPDATE ON plugins BEGIN UPDATE changes SET count = count + 1; END;
CREATE TRIGGER plugin_deleted AFTER DELETE ON plugins BEGIN UPDATE changes SET count = count + 1; END;
