import { exitCodes, VmbError } from "../error.ts";
import { journalPaths, reopenJournal, runOfJournal } from "../journal/journal.ts";
import type { Files } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { assertPrivilege, timerParts } from "./install.ts";
import { below, places } from "./places.ts";
import {
  type Answers,
  type CompareOptions,
  compareUnwanted,
  type InstallPlan,
  type PlannedChange,
} from "./plan.ts";
import { readRecord } from "./record.ts";
import { timerSteps } from "./systemd.ts";
import { timerNames } from "./timers.ts";
import { wantedInstallation } from "./wanted.ts";

export interface UninstallOptions {
  readonly root: string;
  readonly answers: Answers;
  /** Where the journals of runs lie. */
  readonly stateFolder: string;
}

/** What an uninstallation leaves, where it is there. */
const staying: readonly { readonly path: string; readonly what: string }[] = [
  { path: places.config, what: "the configuration" },
  { path: places.logs, what: "the logs" },
  { path: places.replaced, what: "what was replaced here" },
  { path: places.state, what: "what vmb notes down on this machine" },
  { path: places.fileDaemonConfig, what: "the configuration of Bacula's File Daemon" },
];

/**
 * Plans the removal of the program, its links, its units and its log rotation.
 *
 * @throws {VmbError} `install.busy` (exit 11) while a run lives, `install.unrecovered` when one was killed,
 *   `install.kept` when one kept its test copy
 */
export async function planUninstall(
  system: System,
  { root, answers, stateFolder }: UninstallOptions,
): Promise<InstallPlan> {
  const { files, host } = system;
  assertPrivilege(system, root);
  await assertNothingRuns(files, stateFolder);
  const record = await readRecord(files, root);
  const compare: CompareOptions = { root, record, answers, uid: host.uid() };
  const parts = [
    ...timerNames.flatMap(timerParts),
    ...wantedInstallation({ program: { path: "", sha256: "" }, timers: [], pushed: [] })
      .filter(({ kind, path }) =>
        kind === "link" || path === places.logrotate || path === places.launcher
      ),
    { kind: "folder" as const, path: places.jobs, mode: 0 },
    { kind: "program" as const, path: places.program, mode: 0, source: "", sha256: "" },
    ...await onlyProgram(files, root)
      ? [{ kind: "folder" as const, path: places.bin, mode: 0 }]
      : [],
    // Last: in the self-extracting form, it is what runs here.
    { kind: "folder" as const, path: places.unpacked, mode: 0 },
  ];
  const changes: PlannedChange[] = [];
  for (const part of parts) {
    const change = await compareUnwanted(files, part, compare);
    if (change !== undefined) changes.push(change);
  }
  const { before, after } = await timerSteps(system, root, [], changes);
  return {
    ...{ root, changes, before, after },
    wanted: [],
    leftovers: [],
    timers: [],
    label: undefined,
    notes: await stayingNotes(files, root),
  };
}

async function stayingNotes(files: Files, root: string): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const { path, what } of staying) {
    const place = below(root, path);
    if (await files.inspect(place) !== undefined) notes.push(`stays: ${place} (${what})`);
  }
  return [...notes, "stays: the share, with all backups", "stays: all domains, as they are"];
}

async function onlyProgram(files: Files, root: string): Promise<boolean> {
  const names = await files.list(below(root, places.bin));
  return names.every((name) => name.startsWith("vmb") || name.startsWith(".vmb"));
}

async function assertNothingRuns(files: Files, stateFolder: string): Promise<void> {
  for (const path of await journalPaths(files, stateFolder)) {
    const journal = await reopenJournal(files, path);
    if (journal === undefined && await files.inspect(path) === undefined) continue;
    const run = runOfJournal(path);
    if (journal === undefined) {
      throw new VmbError(`Run ${run} is under way: vmb is not removed`, {
        code: "install.busy",
        exit: exitCodes.locked,
        hint: "Wait for its end, or stop it with SIGTERM; the journal names its pid",
      });
    }
    const { kept } = journal.outstanding();
    await journal.abandon();
    if (kept) {
      throw new VmbError(`Run ${run} kept its test copy, which is there: vmb is not removed`, {
        code: "install.kept",
        hint: "Run: vmb hv recover --kept",
      });
    }
    throw new VmbError(`Run ${run} was killed and not put right: its journal is "${path}"`, {
      code: "install.unrecovered",
      hint: "Run: vmb hv recover",
    });
  }
}
