import assert from "node:assert/strict";
import type { Row } from "./database.ts";
import { damagedColumns, mendedVm } from "./whole_row.ts";

const WHOLE: Row = {
  id: 7,
  name: "web",
  status: "running",
  config: '{"manifest":{"name":"web"}}',
  artifacts: "{}",
  lease: '{"mode":"none","ip":""}',
  hypervisor: "qemu",
  kernel_cmdline: "quiet",
  boot: '{"requested_at":"2026-01-01T00:00:00Z"}',
  exit: null,
  wanted: "running",
  boot_id: "",
  restarts: 0,
  restart_at: null,
  deleting: 0,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
};

Deno.test("damagedColumns() finds nothing in a row that the daemon wrote", () => {
  assert.deepEqual(damagedColumns("vms", WHOLE), []);
});

Deno.test("damagedColumns() names what the daemon cannot have written", () => {
  const damages: Row = {
    id: 0,
    name: "We\u0001b",
    status: "runninh",
    config: '{"manifest":{"name":',
    artifacts: null,
    lease: "[]",
    hypervisor: "",
    boot: "{",
    exit: "7",
    wanted: "x",
    deleting: 3,
    created_at: "20x6",
  };
  for (const [column, value] of Object.entries(damages)) {
    const row = { ...WHOLE, [column]: value };
    assert.deepEqual(damagedColumns("vms", row), [column]);
  }
});

Deno.test("damagedColumns() asks for no column that an older schema has not", () => {
  const { wanted: _, ...older } = WHOLE;
  assert.deepEqual(damagedColumns("vms", older), []);
});

Deno.test("mendedVm() leaves out what a VM can be without, and only that", () => {
  const row = { ...WHOLE, boot: "{", exit: "{", restart_at: "soon" };
  assert.deepEqual(mendedVm(row), { ...WHOLE, boot: null });
  assert.equal(mendedVm({ ...WHOLE, config: "{" }), undefined);
});
