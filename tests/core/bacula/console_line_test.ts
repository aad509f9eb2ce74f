import assert from "node:assert/strict";
import fc from "fast-check";
import { consoleLine } from "../../../core/bacula/console_line.ts";
import { vmJobName } from "../../../core/bacula/names.ts";
import { safeNames } from "./inventories.ts";

Deno.test("consoleLine joins words and pairs, and quotes only what needs it", () => {
  assert.equal(
    consoleLine("run", ["job", "vm-wiki:20a"], ["level", "Full"], "yes"),
    "run job=vm-wiki:20a level=Full yes",
  );
  assert.equal(consoleLine("llist", ["job", "two words"]), 'llist job="two words"');
  assert.equal(consoleLine("llist", ["job", ""]), 'llist job=""');
});

Deno.test("consoleLine refuses what would end the word or begin another command", () => {
  for (const text of ["a\nquit", "a\rquit", 'a" yes', "a\\", "a\0", "\ud800"]) {
    assert.throws(() => consoleLine("run", ["job", text]), { code: "bacula.word", exit: 2 });
  }
});

Deno.test("consoleLine says the job of any VM in one word", () => {
  fc.assert(fc.property(safeNames, (vm) => {
    const job = vmJobName(vm);
    assert.equal(consoleLine("run", ["job", job], "yes"), `run job=${job} yes`);
  }));
});
