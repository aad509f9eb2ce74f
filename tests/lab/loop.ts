import { runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Lab } from "./lab.ts";

/** Why block devices cannot be had on this machine, or `undefined` when they can. */
export async function whyNoLoop(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "only root can attach a loop device";
  const found = await systemProcesses.run(["losetup", "--find"]).catch((error) => ({
    code: 1,
    stderr: String(error),
  }));
  return found.code === 0 ? undefined : `no loop device: ${found.stderr.trim()}`;
}

/** Makes a block device of a file and returns its path; it goes away with the lab. */
export async function attachLoop(lab: Lab, file: string): Promise<string> {
  const { stdout } = await runOk(systemProcesses, ["losetup", "--find", "--show", file]);
  const device = stdout.trim();
  lab.defer(async () => {
    await systemProcesses.run(["losetup", "--detach", device]);
  });
  return device;
}
