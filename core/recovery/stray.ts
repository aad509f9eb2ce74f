import type { System } from "../sys/system.ts";

/** A process whose command line names something in a folder of ours. */
export interface StrayProcess {
  readonly pid: number;
  readonly argv: readonly string[];
}

/** Finds processes by their command lines (proc(5)): a process id in a file may long be another's. */
export async function processesUsing(
  { files }: Pick<System, "files">,
  folder: string,
): Promise<readonly StrayProcess[]> {
  const found: StrayProcess[] = [];
  for (const name of await files.list("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const argv = (await files.readText(`/proc/${name}/cmdline`).catch(() => "")).split("\0");
    if (argv.some((word) => word.includes(`${folder}/`))) found.push({ pid: Number(name), argv });
  }
  return found;
}

/**
 * Ends the image servers that work in `folder`, and waits for virsh processes there: one of them may hold
 * the thaw of a frozen guest.
 *
 * @param patienceMs how long to wait for each
 */
export async function endStrayProcesses(
  system: Pick<System, "files" | "host" | "clock">,
  folders: readonly string[],
  patienceMs: number,
): Promise<void> {
  const until = system.clock.monotonic() + patienceMs;
  for (;;) {
    const strays = (await Promise.all(folders.map((folder) => processesUsing(system, folder))))
      .flat();
    const ours = strays.filter(({ argv, pid }) =>
      pid !== system.host.pid && isOurTool(argv[0] ?? "")
    );
    for (const { pid, argv } of ours) {
      if (toolName(argv[0] ?? "") === "qemu-nbd") system.host.kill(pid, "SIGTERM");
    }
    if (ours.length === 0 || system.clock.monotonic() > until) return;
    await system.clock.sleep(100);
  }
}

function isOurTool(program: string): boolean {
  return ["qemu-nbd", "virsh"].includes(toolName(program));
}

function toolName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}
