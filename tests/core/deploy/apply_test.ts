import assert from "node:assert/strict";
import { type Bconsole, openBconsole } from "../../../core/bacula/bconsole.ts";
import { assertIdle } from "../../../core/deploy/apply.ts";
import { VmbError } from "../../../core/error.ts";
import { recordedConsole } from "../bacula/recorded_console.ts";

const restart = [{ service: "vmb-director", action: "restart" }] as const;

function refusing(error: unknown): Bconsole {
  return { say: () => Promise.reject(error) };
}

Deno.test("assertIdle names the jobs that a restart would end", async () => {
  const bconsole = openBconsole({ processes: recordedConsole("15.0.3"), argv: ["bconsole"] });
  await assert.rejects(assertIdle(bconsole, restart), {
    code: "deploy.busy",
    exit: 11,
    message: "Cannot restart vmb-director while jobs run: vm-slow (job 2)",
  });
});

Deno.test("assertIdle asks nothing about what ends no job", async () => {
  const bconsole = refusing(new Error("asked"));
  await assertIdle(bconsole, [
    { service: "vmb-web", action: "restart" },
    { service: "vmb-director", action: "reload" },
    { service: "vmb-storage", action: "start" },
  ]);
});

Deno.test("assertIdle takes a Director that gives no answer for idle, and not one that was not understood", async () => {
  await assertIdle(refusing(new VmbError("away", { code: "bacula.unreachable" })), restart);
  const odd = new VmbError("odd", { code: "bacula.answer" });
  await assert.rejects(assertIdle(refusing(odd), restart), odd);
  // Who is told to stop learns nothing of jobs.
  const stop = new Error("stopped");
  await assert.rejects(assertIdle(refusing(stop), restart), stop);
});
