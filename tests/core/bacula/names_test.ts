import assert from "node:assert/strict";
import fc from "fast-check";
import { clientName, testRestoreJobName, vmJobName } from "../../../core/bacula/names.ts";
import { safeNames } from "./inventories.ts";

Deno.test("vmJobName gives each VM a job of its own, with a name that Bacula allows", () => {
  assert.equal(vmJobName("prod-db-01"), "vm-prod-db-01");
  assert.equal(vmJobName("a b"), "vm-a:20b");
  fc.assert(fc.property(safeNames, safeNames, (a, b) => {
    assert.match(vmJobName(a), /^[A-Za-z0-9:._-]{4,100}$/);
    assert.equal(vmJobName(a) === vmJobName(b), a === b);
  }));
});

Deno.test("vmJobName tells long names apart that begin alike", () => {
  const long = "ü".repeat(70);
  const names = ["a", "b", "c"].map((end) => vmJobName(`${long}${end}`));
  assert.equal(new Set(names).size, 3);
  for (const name of names) {
    assert.match(name, /^vm-(:c3:bc)+(:c3)?::[0-9a-f]{32}$/);
    assert.ok(name.length <= 100);
  }
});

Deno.test("clientName and testRestoreJobName are legal for every hypervisor", () => {
  assert.deepEqual([clientName("hv1"), testRestoreJobName("hv1")], ["hv1-fd", "test-restore-hv1"]);
  fc.assert(fc.property(safeNames, (name) => {
    assert.match(clientName(name), /^[A-Za-z0-9:._-]{4,100}$/);
    assert.match(testRestoreJobName(name), /^[A-Za-z0-9:._-]{4,100}$/);
  }));
});
