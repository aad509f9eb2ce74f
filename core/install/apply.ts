import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { backupId } from "../repository/layout.ts";
import { runOk, showArgv } from "../sys/process.ts";
import type { System } from "../sys/system.ts";
import { describeChange } from "./describe.ts";
import { below, parentOf, places } from "./places.ts";
import type { InstallPlan, PlannedChange } from "./plan.ts";
import { type InstallRecord, readRecord, writeRecord } from "./record.ts";
import { sha256, stateOf } from "./state.ts";
import type { Wanted } from "./wanted.ts";

export interface ApplyContext {
  readonly system: System;
  readonly plan: InstallPlan;
  readonly report: Report;
}

/**
 * Does what a plan says. Killed anywhere, it leaves each file old or new and the program one that works; the
 * next installation goes on from there.
 *
 * @returns the folder of what was set aside; `undefined` when nothing was
 * @throws {VmbError} `install.locked` (exit 11); `install.changed-meanwhile` when a file is no longer what the
 *   plan was made from
 */
export async function applyInstall(context: ApplyContext): Promise<string | undefined> {
  const { system, plan } = context;
  const { files } = system;
  const base = below(plan.root, places.base);
  if (await files.inspectTarget(base) === undefined) await files.makeFolder(base, { mode: 0o755 });
  const lock = await files.lock(below(plan.root, places.lock));
  if (lock === undefined) {
    throw new VmbError("Another installation of vmb runs on this machine", {
      code: "install.locked",
      exit: exitCodes.locked,
      hint: "Try again when it has ended",
    });
  }
  try {
    return await apply(context);
  } finally {
    await lock.release();
  }
}

async function apply({ system, plan, report }: ApplyContext): Promise<string | undefined> {
  const { files, processes } = system;
  const { root } = plan;
  const removesAll = plan.changes.some(({ kind, change }) =>
    kind === "program" && change === "remove"
  );
  const record = await readRecord(files, root);
  const changes = plan.changes.filter(({ change }) => change !== "keep");
  const aside = changes.some(({ setAside }) => setAside)
    ? `${places.replaced}/${backupId(system.clock.now())}`
    : undefined;
  if (!removesAll && changes.length > 0) await writeRecord(files, root, during(record, plan));
  for (const path of plan.leftovers) await files.remove(below(root, path));
  for (const argv of plan.before) await runOk(processes, argv);
  for (const change of changes) {
    await assertUnchanged(system, root, change);
    if (change.setAside && aside !== undefined) await setAside(system, root, change, aside);
    await applyChange({ system, plan, report }, change);
    report({ kind: "info", text: describeChange(change) });
  }
  if (removesAll) {
    for (const path of [places.record, places.lock]) await files.remove(below(root, path));
  } else await writeRecord(files, root, afterwards(record, plan));
  for (const argv of plan.after) {
    await runOk(processes, argv);
    report({ kind: "info", text: showArgv(argv) });
  }
  return aside;
}

/** What was shown to somebody, or taken for ours, must be what is overwritten. */
async function assertUnchanged(
  { files }: Pick<System, "files">,
  root: string,
  { kind, path, from }: PlannedChange,
): Promise<void> {
  if (kind === "folder") return;
  const now = (await stateOf(files, below(root, path)))?.state;
  if (now === from) return;
  throw new VmbError(`"${path}" was changed while vmb was being installed`, {
    code: "install.changed-meanwhile",
    hint: "Run it again",
  });
}

async function setAside(
  { files }: Pick<System, "files">,
  root: string,
  { path, from }: PlannedChange,
  folder: string,
): Promise<void> {
  const place = below(root, path);
  const copy = below(root, `${folder}${path}`);
  await files.makeFolder(below(root, places.replaced), { mode: 0o700 });
  await files.makeFolder(parentOf(copy));
  if (from?.startsWith("-> ")) await files.makeLink(copy, await files.readLink(place));
  else await files.copy(place, copy, { mode: 0o600 });
}

async function applyChange({ system, plan }: ApplyContext, change: PlannedChange): Promise<void> {
  const { files, host } = system;
  const place = below(plan.root, change.path);
  if (change.change === "remove") {
    await files.remove(place);
    await files.syncFolder(parentOf(place));
    return;
  }
  const wanted = plan.wanted.find(({ path }) => path === change.path);
  if (wanted === undefined) throw new Error(`Nothing is wanted at ${change.path}`);
  if (change.from === change.to) {
    if (change.mode !== undefined) await files.setMode(place, change.mode);
    const gid = (await files.inspectTarget(place))?.gid ?? 0;
    if (change.takenFrom !== undefined) await files.own(place, host.uid(), gid);
    return;
  }
  await files.makeFolder(parentOf(place));
  await put(system, plan, wanted, place);
}

async function put(
  { files, host, processes }: System,
  { label, root }: InstallPlan,
  wanted: Wanted,
  place: string,
): Promise<void> {
  switch (wanted.kind) {
    case "folder":
      await files.makeFolder(place);
      // Not left to the umask of whoever installs.
      return await files.setMode(place, wanted.mode);
    case "link":
      return await files.makeLink(place, wanted.target);
    case "file": {
      const before = await files.inspect(place);
      // One that is stricter stays so: an administrator's 0600 is not made readable again.
      const mode = before?.kind === "file" ? before.mode & wanted.mode : wanted.mode;
      await files.write(place, wanted.content, { mode });
      // Bacula's packages give theirs to a group of their own.
      if (before?.kind === "file") await files.own(place, host.uid(), before.gid);
      return;
    }
    case "program": {
      const bytes = await files.read(wanted.source);
      if (sha256(bytes) !== wanted.sha256) {
        throw new VmbError(`"${wanted.source}" was changed while it was being installed`, {
          code: "install.changed-meanwhile",
          hint: "Run it again",
        });
      }
      const made = below(root, places.newProgram);
      await files.write(made, bytes, { mode: wanted.mode });
      // Before it takes its place: a job that starts in between would run confined.
      if (label !== undefined) await processes.run(["chcon", `--type=${label}`, made]);
      await files.rename(made, place);
      await files.syncFolder(parentOf(place));
    }
  }
}

/** Whatever of old and new is found after a kill is ours. */
function during(record: InstallRecord, { changes, timers }: InstallPlan): InstallRecord {
  const ours = { ...record.ours };
  for (const { change, path, to, kind } of changes) {
    if (change === "keep" || kind === "folder" || to === undefined) continue;
    ours[path] = [...new Set([...ours[path] ?? [], to])];
  }
  return { ...record, ours, timers };
}

function afterwards(
  record: InstallRecord,
  { changes, timers, wanted }: InstallPlan,
): InstallRecord {
  const ours = { ...record.ours };
  const declined = { ...record.declined };
  for (const { path, to, kind, change, ...item } of changes) {
    if (kind === "folder") continue;
    delete declined[path];
    if (item.declined) declined[path] = to ?? "none";
    else if (change === "remove") delete ours[path];
    // An example that was there before us is somebody's own, also if it never was changed.
    else if (change !== "keep" || (to !== undefined && !isExample(wanted, path))) {
      ours[path] = to === undefined ? [] : [to];
    }
  }
  return { ours: sorted(ours), declined: sorted(declined), timers };
}

function isExample(wanted: readonly Wanted[], path: string): boolean {
  return wanted.some((each) => each.path === path && each.kind === "file" && each.example);
}

function sorted<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => a < b ? -1 : 1));
}
