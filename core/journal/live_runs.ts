import type { Files } from "../sys/files.ts";

/** What runs: the word of the command. */
export type RunKind = "backup" | "restore" | "test-restore";

/** Something that runs on this hypervisor. */
export interface LiveRun {
  readonly kind: RunKind;
  readonly run: string;
  readonly vm: string;
  /** Bacula's; `null` for a run that a person started. */
  readonly jobId: number | null;
  readonly pid: number;
  readonly since: string;
}

/**
 * Tells this machine of a run, from its first moment on, until the returned function is called or the process
 * dies: the lock of the file says that the run lives.
 */
export async function announceRun(
  files: Files,
  stateFolder: string,
  run: LiveRun,
): Promise<() => Promise<void>> {
  const folder = liveFolder(stateFolder);
  await files.makeFolder(folder, { mode: 0o700 });
  const path = `${folder}/${run.run}.json`;
  // It gets its name when it is locked: nobody ever meets it without a lock while the run lives.
  const unnamed = `${folder}/.${run.run}.new`;
  const lock = await files.lock(unnamed);
  if (lock === undefined) throw new Error(`Run ${run.run} is announced twice`);
  await lock.write(`${JSON.stringify(run)}\n`);
  await files.rename(unnamed, path);
  return async () => {
    await files.remove(path);
    await lock.release();
  };
}

/** What runs here; what killed runs left is removed. */
export async function liveRuns(files: Files, stateFolder: string): Promise<readonly LiveRun[]> {
  const folder = liveFolder(stateFolder);
  const runs: LiveRun[] = [];
  for (const name of await files.list(folder)) {
    if (!/^[^.].*\.json$/.test(name)) continue;
    const path = `${folder}/${name}`;
    const text = await files.readText(path).catch(() => "");
    if (await isDead(files, path)) continue;
    const run = readRun(text);
    if (run !== undefined && await isItself(files, run)) runs.push(run);
  }
  return runs;
}

/** Whether nobody holds the lock of a file; then the file goes. */
async function isDead(files: Files, path: string): Promise<boolean> {
  // A lock makes the file when it is missing.
  if (await files.inspect(path) === undefined) return true;
  const lock = await files.lock(path);
  if (lock === undefined) return false;
  await files.remove(path);
  await lock.release();
  return true;
}

/**
 * Whether the process of a run is what it says it is, for its job (proc(5)). The lock may also be held by
 * somebody who looks whether it is held, and then the number may be of any process.
 */
async function isItself(files: Files, { kind, pid, jobId }: LiveRun): Promise<boolean> {
  const words = (await files.readText(`/proc/${pid}/cmdline`).catch(() => "")).split("\0");
  return words.includes(kind) &&
    (jobId === null || words.includes(`${jobId}`) || words.includes(`--job-id=${jobId}`));
}

/** `undefined` for what a run is just removing, and empties. */
function readRun(text: string): LiveRun | undefined {
  try {
    const run = JSON.parse(text) as LiveRun;
    return Number.isSafeInteger(run.pid) && run.pid > 1 ? run : undefined;
  } catch {
    return undefined;
  }
}

function liveFolder(stateFolder: string): string {
  return `${stateFolder}/live`;
}
