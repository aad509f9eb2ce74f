import assert from "node:assert/strict";
import type { Bconsole } from "../../../core/bacula/bconsole.ts";
import { stuckJobs } from "../../../core/deploy/health_stuck.ts";

/** What check says of a job in this state, whose last message is old where `silent` is its number. */
async function verdict(status: string, silent = "") {
  const asked: string[] = [];
  const record = `jobid=7\nlevel=F\nname=vm-a\nstatus=${status}\nstatus_desc=x\npriority=10\n` +
    "schedtime_epoch=1795867200\n";
  const bconsole: Bconsole = { say: () => Promise.resolve(["", record]) };
  const processes = {
    run: (
      argv: readonly string[],
      { stdin = "" }: { readonly stdin?: string | Uint8Array } = {},
    ) => {
      asked.push(stdin.toString());
      return Promise.resolve({ argv, code: 0, stdout: `${silent}\n`, stderr: "" });
    },
  };
  // deno-lint-ignore no-explicit-any
  return { ...await stuckJobs({ processes } as any, bconsole), asked };
}

Deno.test("stuckJobs names a job that failed long ago and is still there, and what frees the others", async () => {
  const { outcome, detail, hint, asked } = await verdict("f", "7");
  assert.deepEqual([outcome, detail], [
    "failed",
    "job 7 (vm-a) failed and does not end: all others wait",
  ]);
  assert.match(hint ?? "", /restart vmb-director; then: vmb ctl run --missed/);
  assert.match(asked[0] ?? "", /JobId IN \(7\).*interval '900 s'/);
});

Deno.test("stuckJobs leaves one that is just ending, and asks no catalog for jobs that run", async () => {
  assert.equal((await verdict("f")).outcome, "ok");
  const running = await verdict("R");
  assert.deepEqual([running.outcome, running.asked], ["ok", []]);
});
