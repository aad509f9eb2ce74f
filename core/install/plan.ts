import { VmbError } from "../error.ts";
import { textDiff } from "../format/text_diff.ts";
import type { Argv } from "../sys/process.ts";
import type { Files } from "../sys/files.ts";
import { below } from "./places.ts";
import type { InstallRecord } from "./record.ts";
import { fileState, linkState, type PathState, stateOf } from "./state.ts";
import type { TimerName } from "./timers.ts";
import type { Wanted } from "./wanted.ts";

/** What becomes of one path. */
export interface PlannedChange {
  readonly kind: Wanted["kind"];
  /** Without the prefix. */
  readonly path: string;
  /** What is there: `sha256:...`, `-> target`, or a kind of file; `undefined` when nothing is. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly change: "create" | "update" | "keep" | "remove";
  /** Somebody changed it since we installed it, or it was never ours: an answer is needed. */
  readonly question: boolean;
  /** Somebody said that it shall stay as it is, and is not asked again about the same offer. */
  readonly declined: boolean;
  /** What was there is kept in a folder of its own, because it is somebody's work. */
  readonly setAside: boolean;
  /** Mode that it gets, where that is not what it has. */
  readonly mode: number | undefined;
  /** User that it is taken away from, because root runs or trusts it. */
  readonly takenFrom: number | undefined;
  readonly diff: string;
}

/** What an installation or its removal does, before any of it is done. Plain data. */
export interface InstallPlan {
  readonly root: string;
  readonly changes: readonly PlannedChange[];
  /** What is put there; it holds contents, and is not shown. */
  readonly wanted: readonly Wanted[];
  /** Remains of installations that were killed. */
  readonly leftovers: readonly string[];
  /** Programs to run before and after the files are changed. */
  readonly before: readonly Argv[];
  readonly after: readonly Argv[];
  readonly timers: readonly TimerName[];
  /** SELinux type that the program has before it takes its place. */
  readonly label: string | undefined;
  /** Sentences for whoever installs. */
  readonly notes: readonly string[];
}

/** What somebody said about a path, having seen what was there. */
export interface Answer {
  readonly answer: "keep" | "replace";
  /** The state that was shown; another one is another question. */
  readonly from: string | undefined;
}

export type Answers = ReadonlyMap<string, Answer> | "keep all" | "replace all";

export interface CompareOptions {
  readonly root: string;
  readonly record: InstallRecord;
  readonly answers: Answers;
  /** Who everything shall belong to. */
  readonly uid: number;
}

/** Compares what is wanted with what is there. */
export async function compareWanted(
  files: Files,
  wanted: Wanted,
  options: CompareOptions,
): Promise<PlannedChange> {
  const place = below(options.root, wanted.path);
  if (wanted.kind === "folder") return await compareFolder(files, wanted, place, options);
  const present = await stateOf(files, place);
  if (present?.state === "directory") {
    throw new VmbError(`Cannot install "${wanted.path}": a folder is in its place`, {
      code: "install.folder",
      hint: "Move it away",
    });
  }
  const to = wantedState(wanted);
  const base = { kind: wanted.kind, path: wanted.path, from: present?.state, to, ...unasked };
  if (present === undefined) return { ...base, change: "create" };
  if (wanted.kind === "file" && wanted.example) return { ...base, to: base.from, change: "keep" };
  if (present.state === to) {
    const corrected = wanted.kind === "link" ? {} : corrections(wanted, present, options.uid);
    return { ...base, ...corrected, change: Object.keys(corrected).length > 0 ? "update" : "keep" };
  }
  const diff = await showChange(files, place, present, wanted);
  if (isOurs(wanted, present, options.record)) return { ...base, change: "update", diff };
  return answered({ ...base, change: "update", diff, question: true }, options);
}

/** Plans the removal of what we made; `undefined` when there is nothing of ours. */
export async function compareUnwanted(
  files: Files,
  unwanted: Wanted,
  options: CompareOptions,
): Promise<PlannedChange | undefined> {
  const { kind, path } = unwanted;
  const place = below(options.root, path);
  const present = await stateOf(files, place);
  if (present === undefined) return undefined;
  const base = { kind, path, from: present.state, to: undefined, ...unasked };
  if (kind === "folder" || kind === "program") return { ...base, change: "remove" };
  // A link of another program's is not ours to remove, whatever anybody answers.
  if (kind === "link" && present.state !== wantedState(unwanted)) return undefined;
  const diff = kind === "file" && present.state.startsWith("sha256:")
    ? textDiff(path, await files.readText(place), undefined)
    : "";
  if (isOurs(unwanted, present, options.record)) return { ...base, change: "remove" };
  return answered({ ...base, change: "remove", diff, question: true }, options);
}

const unasked = {
  question: false,
  declined: false,
  setAside: false,
  mode: undefined,
  takenFrom: undefined,
  diff: "",
} as const;

async function compareFolder(
  files: Files,
  wanted: Extract<Wanted, { kind: "folder" }>,
  place: string,
  { uid }: CompareOptions,
): Promise<PlannedChange> {
  // Followed: that an administrator moved it to another disk and left a link is fine.
  const present = await files.inspectTarget(place);
  const base = { kind: wanted.kind, path: wanted.path, to: "directory", ...unasked };
  if (present === undefined) return { ...base, from: undefined, change: "create" };
  if (present.kind !== "directory") {
    throw new VmbError(`Cannot install to "${wanted.path}": expected a folder`, {
      code: "install.folder",
      hint: "Move away what is there",
    });
  }
  const corrected = corrections(wanted, present, uid);
  const change = Object.keys(corrected).length > 0 ? "update" : "keep";
  return { ...base, from: "directory", ...corrected, change };
}

/** A mode may be stricter than ours, never wider; but a program and its folder must be usable by all. */
function corrections(
  { kind, mode }: { readonly kind: Wanted["kind"]; readonly mode: number },
  present: { readonly mode: number; readonly uid: number },
  uid: number,
): { readonly mode?: number; readonly takenFrom?: number } {
  const allowed = kind === "program" ? mode : present.mode & mode;
  return {
    ...allowed === present.mode ? {} : { mode: allowed },
    ...present.uid === uid ? {} : { takenFrom: present.uid },
  };
}

function isOurs(wanted: Wanted, present: PathState, record: InstallRecord): boolean {
  if (record.ours[wanted.path]?.includes(present.state)) return true;
  switch (wanted.kind) {
    case "program":
      // Whatever copy of the program is there, an upgrade is what was asked for; a link is not a copy.
      return present.state.startsWith("sha256:");
    case "file":
      return [wanted.content, ...wanted.pristine].some((text) => fileState(text) === present.state);
    case "link":
      return present.state === wantedState(wanted);
    case "folder":
      return false;
  }
}

function answered(change: PlannedChange, { record, answers }: CompareOptions): PlannedChange {
  const { path, from, to } = change;
  const given = answers === "keep all"
    ? "keep"
    : answers === "replace all"
    ? "replace"
    : answers.get(path)?.from === from
    ? answers.get(path)?.answer
    : undefined;
  const before = record.declined[path] === (to ?? "none") ? "keep" : undefined;
  switch (given ?? before) {
    case "keep":
      return { ...change, change: "keep", question: false, declined: true };
    case "replace":
      return { ...change, question: false, setAside: true };
    case undefined:
      return change;
  }
}

function wantedState(wanted: Wanted): string {
  switch (wanted.kind) {
    case "folder":
      return "directory";
    case "program":
      return `sha256:${wanted.sha256}`;
    case "file":
      return fileState(wanted.content);
    case "link":
      return linkState(wanted.target);
  }
}

async function showChange(
  files: Files,
  place: string,
  present: PathState,
  wanted: Wanted,
): Promise<string> {
  if (wanted.kind === "file" && present.state.startsWith("sha256:")) {
    return textDiff(wanted.path, await files.readText(place), wanted.content);
  }
  if (wanted.kind === "program" && present.state.startsWith("sha256:")) return "";
  const shown = (state: string) => state.startsWith("sha256:") ? "a file" : state;
  return `--- ${wanted.path}\n+++ ${wanted.path}\n-${shown(present.state)}\n+${
    shown(wantedState(wanted))
  }\n`;
}
