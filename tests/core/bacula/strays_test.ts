import assert from "node:assert/strict";
import { openBconsole } from "../../../core/bacula/bconsole.ts";
import { findStrays } from "../../../core/bacula/strays.ts";
import type { Remote } from "../../../core/deploy/remote.ts";
import { VmbError } from "../../../core/error.ts";
import type { LiveRun } from "../../../core/recovery/live_runs.ts";
import type { Completed } from "../../../core/sys/process.ts";
import { exampleTexts, parseTexts } from "./inventories.ts";
import { recordedConsole } from "./recorded_console.ts";

function run(vm: string, jobId: number | null): LiveRun {
  return { run: `vmb-${vm}`, vm, jobId, pid: 4711, since: "2026-11-22T04:52:18.000Z" };
}

/** Hypervisors that tell of their runs, question by question; the last answer stays. */
async function search(
  answers: Readonly<Record<string, readonly (readonly LiveRun[] | Error)[]>>,
  said: Readonly<Record<string, string>> = {},
) {
  const asked = new Map<string, number>();
  const remote = ({ name }: { readonly name: string }): Remote => {
    const answer = (): Promise<Completed> => {
      const count = asked.get(name) ?? 0;
      asked.set(name, count + 1);
      const said = answers[name]?.[count] ?? answers[name]?.at(-1) ?? [];
      if (said instanceof Error) return Promise.reject(said);
      const stdout = JSON.stringify({ runs: said });
      return Promise.resolve({ argv: ["vmb"], code: 0, stdout, stderr: "" });
    };
    return { name, run: answer, runOk: answer };
  };
  const bconsole = openBconsole({ processes: recordedConsole("15.0.3", said), argv: ["bconsole"] });
  return await findStrays(bconsole, await parseTexts(exampleTexts), remote);
}

Deno.test("findStrays finds runs whose jobs have ended, or are unknown", async () => {
  const { strays, unreachable } = await search({
    hv1: [[run("web", 1), run("by hand", null), run("slow", 2)]],
    hv2: [[run("broken", 3), run("old", 999)]],
  });
  assert.deepEqual(unreachable, []);
  assert.deepEqual(
    strays.map(({ hypervisor, vm, jobId, result }) => [hypervisor, vm, jobId, result]),
    [["hv1", "web", 1, "ok"], ["hv2", "broken", 3, "failed"], ["hv2", "old", 999, "unknown"]],
  );
});

Deno.test("findStrays finds the run of a job that the Director is still ending", async () => {
  const status = "jobid=2\nname=vm-slow\nlevel=F\nstatus=A\nschedtime_epoch=1\npriority=1";
  const { strays } = await search({ hv1: [[run("slow", 2)]] }, { ".status dir running": status });
  assert.deepEqual(strays.map(({ jobId, result }) => [jobId, result]), [[2, "canceled"]]);
});

Deno.test("findStrays takes no run for a stray that ended while it asked", async () => {
  const { strays } = await search({ hv1: [[run("web", 1)], []] });
  assert.deepEqual(strays, []);
});

Deno.test("findStrays goes on when a hypervisor is away, and names it", async () => {
  const { strays, unreachable } = await search({
    hv1: [new VmbError("Connection by ssh failed", { code: "ssh.failed" })],
    hv2: [[run("broken", 3)]],
  });
  assert.deepEqual(strays.map(({ vm }) => vm), ["broken"]);
  assert.deepEqual(unreachable, [{ hypervisor: "hv1", problem: "Connection by ssh failed" }]);
});
