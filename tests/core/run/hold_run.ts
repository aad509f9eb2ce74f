import { announceRun } from "../../../core/journal/live_runs.ts";
import { systemFiles } from "../../../core/sys/files.ts";

/** Arguments: folder of the state, and then those of a backup: `hv backup VM --job-id N`. */
const [folder = "", , , vm = "", , jobId] = Deno.args;
const end = await announceRun(systemFiles, folder, {
  kind: "backup",
  run: `vmb-test-${Deno.pid}`,
  vm,
  jobId: Number(jobId),
  pid: Deno.pid,
  since: new Date().toISOString(),
});
Deno.addSignalListener("SIGTERM", async () => {
  if (vm === "stubborn") return;
  await end();
  Deno.exit(143);
});
console.log("announced");
setInterval(() => {}, 60_000);
