import type { BackupOutcome } from "../../core/backup/run.ts";
import { type Argv, runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Guest } from "../lab/guest.ts";
import type { Hypervisor } from "../lab/hypervisor.ts";
import { type Usage, watchProcess } from "./process_watch.ts";

/** The program under test, built or from its sources. */
export interface VmbProgram {
  readonly argv: Argv;
  /** `vmb 0.1.0 (source)` */
  readonly version: string;
}

/** What one backup was, and what it cost. */
export interface VmbBackup {
  readonly seconds: number;
  readonly usage: Usage;
  readonly outcome: BackupOutcome;
}

/** @param path of a built vmb; `undefined` for the sources */
export async function findVmb(path: string | undefined): Promise<VmbProgram> {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const argv: Argv = path === undefined ? [Deno.execPath(), "run", "--allow-all", main] : [path];
  const { stdout } = await runOk(systemProcesses, [...argv, "--version"]);
  return { argv, version: stdout.trim() };
}

/**
 * Writes a configuration under which vmb backs up into a folder of the lab.
 *
 * @returns the folder, for VMB_CONFIG_DIR
 */
export async function writeConfiguration(
  { lab, uri }: Hypervisor,
  guest: Guest,
  { share, compression }: {
    readonly share: string;
    readonly compression: "none" | "zstd";
  },
): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: "config-" });
  await Deno.mkdir(share, { recursive: true });
  const { stdout } = await runOk(systemProcesses, [
    ...["findmnt", "--noheadings", "--output", "FSTYPE", "--target", share] as const,
  ]);
  await Deno.writeTextFile(
    `${folder}/vm-backup.conf`,
    [
      "HYPERVISOR_NAME=bench",
      `LIBVIRT_URI=${uri}`,
      `BACKUP_ROOT=${share}`,
      `BACKUP_FSTYPES=${stdout.trim()}`,
      "BACKUP_LOCAL=yes",
      `SCRATCH_DIR=${lab.folder}/scratch`,
      `STATE_DIR=${lab.folder}/state`,
      `LOG_DIR=${lab.folder}/logs`,
      "MIN_FREE_GB=1",
      `COMPRESSION=${compression}`,
      "",
    ].join("\n"),
  );
  await Deno.writeTextFile(
    `${folder}/vm-list.yaml`,
    `vms:\n  - name: ${guest.name}\n    hypervisor: bench\n`,
  );
  return folder;
}

/** Runs one backup as a user would, and watches the process. */
export async function backUp(
  vmb: VmbProgram,
  guest: Guest,
  options: {
    readonly configFolder: string;
    readonly readBack: boolean;
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<VmbBackup> {
  const { configFolder, readBack, env } = options;
  const [program, ...first] = vmb.argv;
  const args = ["hv", "backup", guest.name, "--method", "quiesce", "--json"];
  const since = performance.now();
  const child = new Deno.Command(program, {
    args: [...first, ...args, ...readBack ? [] : ["--no-verify"]],
    env: { ...env, VMB_CONFIG_DIR: configFolder },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ending = child.output();
  const watching = watchProcess(child.pid, ending);
  const { code, stdout, stderr } = await ending;
  const seconds = (performance.now() - since) / 1000;
  if (code !== 0) throw new Error(`vmb ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  const outcome = JSON.parse(new TextDecoder().decode(stdout)) as BackupOutcome;
  return { seconds, usage: await watching, outcome };
}
