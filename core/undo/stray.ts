import { VmbError } from "../error.ts";
import { showArgv } from "../sys/process.ts";
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
 * Ends the image servers and event watchers that work in the folders, and waits for other virsh processes
 * there: one of them may hold the thaw of a frozen guest.
 *
 * @param patienceMs how long to wait for all of them
 * @throws {VmbError} `recover.busy` when one is still there: what it is about to do cannot be undone yet
 */
export async function endStrayProcesses(
  system: Pick<System, "files" | "host" | "clock">,
  folders: readonly string[],
  patienceMs: number,
): Promise<void> {
  const until = system.clock.monotonic() + patienceMs;
  for (let attempt = 0;; attempt++) {
    const strays = (await Promise.all(folders.map((folder) => processesUsing(system, folder))))
      .flat();
    const ours = strays.filter(({ argv, pid }) =>
      pid !== system.host.pid && isOurTool(argv[0] ?? "")
    );
    const acting = ours.filter(({ argv }) => !isPassive(argv));
    for (const { pid, argv } of ours) {
      if (isPassive(argv)) system.host.kill(pid, attempt < 50 ? "SIGTERM" : "SIGKILL");
    }
    // One that even SIGKILL does not end hangs in the kernel, and harms nobody.
    if (acting.length === 0 && (ours.length === 0 || attempt > 100)) return;
    if (system.clock.monotonic() > until) {
      throw new VmbError(
        `A command of the run has not ended: ${showArgv(acting[0]?.argv.filter(Boolean) ?? [])}`,
        {
          code: "recover.busy",
          hint: "libvirt or QEMU hangs; when it goes on, run: vmb hv recover",
        },
      );
    }
    await system.clock.sleep(100);
  }
}

/** A process that only reads: an image server, or a watcher of events. */
function isPassive(argv: readonly string[]): boolean {
  return toolName(argv[0] ?? "") === "qemu-nbd" || argv.includes("--loop");
}

function isOurTool(program: string): boolean {
  return ["qemu-nbd", "virsh"].includes(toolName(program));
}

function toolName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}
