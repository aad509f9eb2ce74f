/** A message of a job. */
export interface LogEntry {
  /** Of the Director's clock: `2026-11-22 04:35:07`. */
  readonly time: string;
  /** Several lines, where Bacula wrote several. */
  readonly text: string;
}

/** Reads the answer to `llist joblog jobid=`; the record of the job, which comes after it, is left out. */
export function parseJobLog(answer: string): readonly LogEntry[] {
  const entries: LogEntry[] = [];
  let time: string | undefined;
  let lines: string[] = [];

  function close(): void {
    if (time !== undefined) entries.push({ time, text: lines.join("\n").trim() });
    time = undefined;
    lines = [];
  }

  for (const line of answer.split("\n")) {
    const [, begins] = /^ *time: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)/.exec(line) ?? [];
    if (begins !== undefined) {
      close();
      time = begins;
    } else if (/^ {10,}jobid: [\d,]+$/.test(line)) {
      close();
    } else if (time !== undefined) {
      lines.push(lines.length === 0 ? line.replace(/^ *logtext: /, "") : line);
    }
  }
  close();
  return entries;
}

/** A message as one shows it to people, without the number of the job that they asked for. */
export function showEntry({ time, text }: LogEntry): string {
  return `${time}  ${text.replace(/ JobId \d+: /, ": ")}`;
}
