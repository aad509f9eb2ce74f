import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Files } from "../sys/files.ts";
import type { Host } from "../sys/host.ts";
import { type PathFault, pathFault } from "./trusted_path.ts";
import type { VmEntry } from "./vm_list.ts";

/** Programs that run the file that they are given. */
const interpreter =
  /^(env|(ba|da|k|z|c|tc)?sh|busybox|python[\d.]*|perl[\d.]*|ruby|node|deno|php|awk)$/;

/** What is asked of the machine. */
interface Doors {
  readonly files: Pick<Files, "inspect" | "inspectTarget" | "readLink">;
  readonly host: Pick<Host, "env" | "uid">;
}

/**
 * Problems of the programs that `vm-list.yaml` names for VMs of this hypervisor, and of the scripts that they are
 * given: whoever can change one of them could do anything as root.
 *
 * @param source path of the file, as problems name it
 */
export async function programProblems(
  doors: Doors,
  vms: readonly VmEntry[],
  source: string,
): Promise<readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  for (const { name, preBackupCommands, configCapture } of vms) {
    for (const { argv } of [...preBackupCommands, ...configCapture]) {
      for (const fault of await commandFaults(doors, argv)) {
        problems.push({
          source,
          message: `Cannot run ${quoted(argv[0])} for ${quoted(name)}: ${fault.reason}`,
          hint: fault.hint,
        });
      }
    }
  }
  return problems;
}

async function commandFaults(doors: Doors, argv: readonly string[]): Promise<readonly PathFault[]> {
  const [program = "", ...args] = argv;
  const path = await findProgram(doors, program);
  if (path === "relative") {
    return [{
      reason: "its path is a relative one",
      hint: "Write the whole path, or the name of a program alone",
    }];
  }
  const runs = path === undefined ? [] : [path];
  const takesScripts = interpreter.test(program.slice(program.lastIndexOf("/") + 1));
  for (const word of args) {
    if (!word.startsWith("/")) continue;
    const info = await doors.files.inspectTarget(word).catch(() => undefined);
    // A file of data may belong to whoever writes it.
    if (info?.kind === "file" && (takesScripts || (info.mode & 0o111) !== 0)) runs.push(word);
  }
  const faults: PathFault[] = [];
  for (const each of runs) {
    const fault = await pathFault(doors.files, each, doors.host.uid());
    if (fault !== undefined) faults.push(fault);
  }
  return faults;
}

/** As execvp(3) finds it; `undefined` for one that is not there, which its run will say. */
async function findProgram(
  { files, host }: Doors,
  program: string,
): Promise<string | undefined> {
  if (program.startsWith("/")) return program;
  if (program.includes("/")) return "relative";
  for (const folder of (host.env("PATH") ?? "/usr/bin:/bin").split(":")) {
    if (!folder.startsWith("/")) continue;
    const path = `${folder}/${program}`;
    const info = await files.inspectTarget(path).catch(() => undefined);
    if (info?.kind === "file" && (info.mode & 0o111) !== 0) return path;
  }
  return undefined;
}
