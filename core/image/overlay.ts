import type { DiskExport } from "./disk_export.ts";
import { runOk } from "../sys/process.ts";
import type { System } from "../sys/system.ts";

/** Makes a local qcow2 image at `path` that reads from an export what was not yet written to it. */
export async function createOverlay(
  { processes }: Pick<System, "processes">,
  { socketPath, exportName }: DiskExport,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  // In a URL libvirt would take an escaped path literally.
  const file = {
    driver: "nbd",
    server: { type: "unix", path: socketPath },
    export: exportName,
  };
  const backing = `json:${JSON.stringify({ driver: "raw", file })}`;
  await runOk(processes, [
    ...["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", backing, path] as const,
  ], { signal });
}

/** Whether an image still reads from another one below it. */
export async function hasBacking(
  { processes }: Pick<System, "processes">,
  path: string,
): Promise<boolean> {
  const { stdout } = await runOk(processes, [
    ...["qemu-img", "info", "--force-share", "--output=json", "-f", "qcow2", path] as const,
  ]);
  return (JSON.parse(stdout) as { "backing-filename"?: string })["backing-filename"] !== undefined;
}
