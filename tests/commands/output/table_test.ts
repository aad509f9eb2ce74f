import assert from "node:assert/strict";
import { table } from "../../../commands/output/table.ts";

Deno.test("table lays rows out in columns without spaces at their ends", () => {
  assert.equal(
    table([["VM", "ID", "SIZE"], ["gw-1", "x", ""], ["a", "long id", "1 KiB"], ["b"]]),
    "VM    ID       SIZE\ngw-1  x\na     long id  1 KiB\nb\n",
  );
  assert.equal(table([]), "");
});
