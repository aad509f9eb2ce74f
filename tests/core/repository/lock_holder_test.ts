import assert from "node:assert/strict";
import { parseLockHolder } from "../../../core/repository/lock_holder.ts";

const old = {
  hypervisor: "hv1",
  pid: 7,
  vm: "web",
  run: "vmb-web",
  since: "2026-11-21T12:00:00.000Z",
};

Deno.test("parseLockHolder tells a job of Bacula, a run by hand, and a vmb that noted neither", () => {
  const table = [[4711, 4711], [null, null], [undefined, undefined], ["4711", undefined]] as const;
  for (const [written, jobId] of table) {
    const text = `${JSON.stringify({ ...old, jobId: written })}\n`;
    assert.deepEqual(parseLockHolder(text), { ...old, jobId });
  }
  assert.equal(parseLockHolder(JSON.stringify({ ...old, work: "restore" }))?.work, "restore");
});

Deno.test("parseLockHolder finds nobody in what names nobody", () => {
  for (const text of ["", "null", "{}", "7", "\0\0", "{", '{"vm":7}', '{"hypervisor":"hv1"}']) {
    assert.equal(parseLockHolder(text), undefined, text);
  }
});
