import { runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Lab } from "../lab/lab.ts";
import { attachLoop, whyNoLoop } from "../lab/loop.ts";
import { waitFor } from "../lab/wait.ts";

/** Programs that make a rated share. */
const programs = ["nbdkit", "nbdfuse", "mkfs.ext4"] as const;

/** Why this machine cannot make one, or `undefined` when it can. */
export async function whyNoRatedShare(): Promise<string | undefined> {
  const missing: string[] = [];
  for (const program of programs) {
    const { code } = await systemProcesses.run(["which", program]);
    if (code !== 0) missing.push(program);
  }
  return missing.length > 0 ? `no ${missing.join(", ")}` : await whyNoLoop();
}

/**
 * Mounts a file system that reads and writes so many bytes a second, each direction by itself, as a file server
 * behind a network does: ext4 on a loop device on nbdfuse on nbdkit, whose rate filter counts the two apart.
 *
 * @returns its mount point
 */
export async function mountRatedShare(
  lab: Lab,
  { bytesPerSecond, sizeBytes }: { readonly bytesPerSecond: number; readonly sizeBytes: number },
): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: "rated-" });
  const [file, socket, fuse, share] = ["file", "socket", "fuse", "share"]
    .map((name) => `${folder}/${name}`) as [string, string, string, string];
  await Deno.writeFile(file, new Uint8Array());
  await Deno.truncate(file, sizeBytes);
  await Deno.mkdir(fuse);
  await Deno.mkdir(share);
  keepRunning(lab, [
    ...["nbdkit", "--foreground", "--exit-with-parent", "--unix", socket],
    ...["--filter=rate", "file", file, "cache=none", `rate=${bytesPerSecond * 8}`],
  ]);
  await exists(socket);
  keepRunning(lab, ["nbdfuse", `${fuse}/disk`, `nbd+unix:///?socket=${socket}`]);
  lab.defer(() => quietly(["fusermount3", "-u", "-z", fuse]));
  await exists(`${fuse}/disk`);
  const device = await attachLoop(lab, `${fuse}/disk`);
  // Else this machine's cache would answer in the place of the file server.
  await runOk(systemProcesses, ["losetup", "--direct-io=on", device]);
  await runOk(systemProcesses, ["mkfs.ext4", "-q", "-E", "nodiscard", device]);
  await runOk(systemProcesses, ["mount", "-t", "ext4", device, share]);
  lab.defer(() => quietly(["umount", "-l", share]));
  return share;
}

function keepRunning(lab: Lab, [program = "", ...args]: readonly string[]): void {
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null" }).spawn();
  lab.defer(async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await child.status;
  });
}

async function exists(path: string): Promise<void> {
  await waitFor(() => Deno.lstat(path).catch(() => undefined), {
    what: path,
    deadlineMs: 30_000,
    everyMs: 50,
  });
}

async function quietly(argv: readonly [string, ...string[]]): Promise<void> {
  await systemProcesses.run(argv);
}
