import { VmbError } from "../../core/error.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";

/** The numbered lines that a guest's workload wrote, as a disk image holds them. */
export interface Records {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** Time of the last line by the guest's clock, in milliseconds since 1970. */
  readonly lastAt: number;
  /** The first line that breaks the sequence 1..N, in words. */
  readonly broken: string | undefined;
  /** The file system was not frozen or unmounted: its journal had to be replayed. */
  readonly replayed: boolean;
}

export interface RecordsOptions {
  /** Format of the image; default qcow2. */
  readonly format?: "qcow2" | "raw";
  /** Path inside the file system; default `/records`. */
  readonly file?: string;
  /** The image is in use by a guest, which must be frozen or paused. */
  readonly live?: boolean;
}

/**
 * Reads the records from a disk image, with the whole of its backing chain, without booting anything and
 * without changing it. The file system's journal is replayed in a copy, and the copy is then checked.
 *
 * @throws {VmbError} `lab.records` when the file system is damaged or has no records
 */
export async function readRecords(
  image: string,
  options: RecordsOptions = {},
): Promise<Records> {
  const { format = "qcow2", file = "/records", live = false } = options;
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "vmb-records-" });
  try {
    const raw = `${folder}/disk.raw`;
    await runOk(systemProcesses, [
      ...["qemu-img", "convert", ...live ? ["-U"] : [], "-f", format] as const,
      ...["-O", "raw", image, raw],
    ], { timeoutMs: 900_000 });
    const replayed = await hasJournalToReplay(raw);
    if (replayed) await systemProcesses.run(["e2fsck", "-y", "-E", "journal_only", raw]);
    await checkFileSystem(raw, image);
    const { stdout } = await runOk(systemProcesses, ["debugfs", "-R", `cat ${file}`, raw]);
    if (stdout === "") {
      throw new VmbError(`Disk image "${image}" has no "${file}"`, { code: "lab.records" });
    }
    return { ...parseRecords(stdout), replayed };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Judges the text of a records file: the lines `1 <ms>` to `N <ms>`, all of them whole. */
export function parseRecords(text: string): Omit<Records, "replayed"> {
  const lines = text.split("\n");
  const torn = lines.pop() ?? "";
  const records = lines.map((line) => /^(\d+) (\d+)$/.exec(line));
  const wrong = records.findIndex((match, index) => Number(match?.[1]) !== index + 1);
  const broken = wrong >= 0
    ? `line ${wrong + 1} is '${lines[wrong]}'`
    : torn === ""
    ? undefined
    : `the last line is cut off: '${torn}'`;
  const last = records.at(-1);
  return {
    first: Number(records[0]?.[1] ?? 0),
    last: Number(last?.[1] ?? 0),
    count: lines.length,
    lastAt: Number(last?.[2] ?? 0),
    broken,
  };
}

async function hasJournalToReplay(raw: string): Promise<boolean> {
  const { stdout } = await runOk(systemProcesses, ["dumpe2fs", "-h", raw]);
  return /^Filesystem features:.*\bneeds_recovery\b/m.test(stdout);
}

async function checkFileSystem(raw: string, image: string): Promise<void> {
  const { code, stdout } = await systemProcesses.run(["e2fsck", "-f", "-n", raw], {
    timeoutMs: 300_000,
  });
  if (code !== 0) {
    throw new VmbError(`File system of "${image}" is damaged: ${stdout.trim()}`, {
      code: "lab.records",
    });
  }
}
