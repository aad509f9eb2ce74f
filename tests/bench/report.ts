import type { ContenderName, Copy } from "./contenders.ts";
import { median } from "./stopwatch.ts";

/** All copies that a contender made, in the order of the rounds. */
export interface Result {
  readonly name: ContenderName;
  readonly text: string;
  readonly copies: readonly Copy[];
}

/** What the project promises of its speed. */
interface Promised {
  readonly text: string;
  readonly slow: ContenderName;
  readonly fast: ContenderName;
  /** What is compared of the slow one; default: the seconds of its whole run. */
  readonly of?: (copy: Copy) => number;
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number };
}

const promises: readonly Promised[] = [
  {
    text: "VM busy, from capture to release / nbdcopy",
    slow: "vmb-verified",
    fast: "nbdcopy",
    of: busySeconds,
    wanted: { atMost: 1.3 },
  },
  { text: "vmb --no-verify / nbdcopy", slow: "vmb", fast: "nbdcopy", wanted: { atMost: 1.6 } },
  { text: "vmb / nbdcopy", slow: "vmb-verified", fast: "nbdcopy", wanted: { atMost: 2.4 } },
  {
    text: "virtnbdbackup / vmb",
    slow: "virtnbdbackup",
    fast: "vmb-verified",
    wanted: { atLeast: 1.6 },
  },
  { text: "convert / vmb", slow: "convert", fast: "vmb-verified", wanted: { atLeast: 1.6 } },
  {
    text: "slow share: vmb / vmb --no-verify",
    slow: "vmb-rated-verified",
    fast: "vmb-rated",
    wanted: { atMost: 1.25 },
  },
];

/** Seconds in which the VM carries the backup: an export is read, and what it overwrites is kept for that. */
function busySeconds({ vmb }: Copy): number {
  const { capture = 0, copy = 0, release = 0 } = vmb?.outcome.manifest.seconds ?? {};
  return capture + copy + release;
}

export const peakMibWanted = 250;

/** One line for each contender. */
export function showTimes(results: readonly Result[], dataBytes: number): string {
  const own = results.find(({ name }) => name === "vmb");
  const reference = own === undefined ? Number.NaN : medianSeconds(own);
  const rows = results.map((result) => {
    const seconds = medianSeconds(result);
    const all = result.copies.map((copy) => copy.seconds);
    const peak = Math.max(...result.copies.map(({ vmb }) => vmb?.usage.peakMib ?? Number.NaN));
    return [
      result.text,
      seconds.toFixed(2),
      `${Math.min(...all).toFixed(2)}-${Math.max(...all).toFixed(2)}`,
      (dataBytes / 1024 ** 2 / seconds).toFixed(0),
      (seconds / reference).toFixed(2),
      Number.isNaN(peak) ? "" : String(peak),
    ];
  });
  return showTable([["", "median s", "range", "MiB/s", "x vmb", "peak MiB"], ...rows]);
}

/** One line for each promise, with the ratio of medians and the range of the ratios in each round. */
export function showPromises(results: readonly Result[]): string {
  const rows = promises.flatMap(({ text, slow, fast, of = ({ seconds }) => seconds, wanted }) => {
    const above = results.find(({ name }) => name === slow);
    const below = results.find(({ name }) => name === fast);
    if (above === undefined || below === undefined) return [];
    const ratio = median(above.copies.map(of)) / medianSeconds(below);
    const byRound = above.copies.map((copy, round) =>
      of(copy) / (below.copies[round]?.seconds ?? Number.NaN)
    );
    const kept = "atMost" in wanted ? ratio <= wanted.atMost : ratio >= wanted.atLeast;
    return [[
      text,
      ratio.toFixed(2),
      `${Math.min(...byRound).toFixed(2)}-${Math.max(...byRound).toFixed(2)}`,
      "atMost" in wanted ? `at most ${wanted.atMost}` : `at least ${wanted.atLeast}`,
      kept ? "kept" : "missed",
    ]];
  });
  return showTable([["", "ratio", "by round", "wanted", ""], ...rows]);
}

/** Where the seconds of vmb went: medians of its phases, and of what each kind of thread computed. */
export function showProfile({ text, copies }: Result): string {
  const runs = copies.flatMap(({ vmb }) => vmb ?? []);
  const phases = runs.map(({ outcome, seconds }) => {
    const own = outcome.manifest.seconds;
    const known = Object.values(own).reduce((sum, value) => sum + value, 0);
    return { ...own, "start and end": seconds - known };
  });
  const threads = runs.map(({ usage }) => Object.fromEntries(usage.threads));
  return [
    `${text}`,
    `  seconds      ${showMedians(phases, 3)}`,
    `  cpu seconds  ${showMedians(threads, 2)}`,
  ].join("\n");
}

function showMedians(records: readonly Record<string, number>[], digits: number): string {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return names
    .map((name) => [name, median(records.map((record) => record[name] ?? 0))] as const)
    .filter(([, value]) => value >= 0.01)
    .map(([name, value]) => `${name} ${value.toFixed(digits)}`)
    .join(", ");
}

export function medianSeconds({ copies }: Result): number {
  return median(copies.map(({ seconds }) => seconds));
}

/** Columns of text; all but the first are set to the right. */
function showTable(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, column) => Math.max(cell.length, most[column] ?? 0)),
    [],
  );
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
    ).join("  ").trimEnd()
  ).join("\n");
}
