import assert from "node:assert/strict";
import { closest } from "../../../core/config/closest.ts";
import { settingKeys } from "../../../core/config/settings.ts";

Deno.test("closest finds what was meant", () => {
  const table: readonly (readonly [string, readonly string[], string])[] = [
    ["prioritty", ["name", "priority"], "priority"],
    ["backup_root", settingKeys, "BACKUP_ROOT"],
    ["BACKUP_ROTO", settingKeys, "BACKUP_ROOT"],
    ["SLACK_SUCCESS_WEBHOK", settingKeys, "SLACK_SUCCESS_WEBHOOK"],
    ["prod-db-03", ["prod-web-01", "prod-db-01", "prod-db-02"], "prod-db-01"],
    ["vad", ["vda", "vdb"], "vda"],
    ["Bürö", ["Büro"], "Büro"],
    ["same", ["Same", "same"], "Same"],
  ];
  for (const [word, candidates, meant] of table) assert.equal(closest(word, candidates), meant);
});

Deno.test("closest offers nothing when nothing is near", () => {
  assert.equal(closest("mail", ["prod-db-01", "vpn"]), undefined);
  assert.equal(closest("vm", ["db", "x"]), undefined);
  assert.equal(closest("", ["a"]), undefined);
  assert.equal(closest("a", []), undefined);
});

Deno.test("closest counts a swap, an insertion, a removal and a replacement as one each", () => {
  for (const word of ["shcedule", "scheedule", "schdule", "schexule"]) {
    assert.equal(closest(word, ["xxhedule", "schedule"]), "schedule");
  }
});
