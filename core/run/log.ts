import type { Event, Report } from "../event.ts";
import { eventLine } from "../format/event_line.ts";
import type { LineFile } from "../sys/files.ts";
import type { System } from "../sys/system.ts";

/** The log of one run: kept on the local disk, and with the backup. */
export interface RunLog {
  readonly report: Report;
  /** Writes what the command itself will show. */
  note(event: Event): void;
  /** All lines so far. */
  text(): string;
  warnings(): readonly string[];
  /** Opens the file, and writes what was said so far: before it, a run leaves no file behind. */
  keep(): Promise<void>;
  close(): Promise<void>;
}

/** Begins the log of a run; every event also goes on to `next`. */
export function openRunLog(
  { files, clock }: Pick<System, "files" | "clock">,
  path: string,
  next: Report,
): RunLog {
  let file: LineFile | undefined;
  const lines: string[] = [];
  const warnings: string[] = [];
  let writing = Promise.resolve();
  const note = (event: Event) => {
    const line = eventLine(event);
    if (line === undefined) return;
    const stamped = `${clock.now().toISOString()} ${line}`;
    lines.push(stamped);
    if (event.kind === "warning") warnings.push(event.text);
    if (event.kind === "check" && event.outcome === "warning") {
      warnings.push(`${event.name}: ${event.detail}`);
    }
    // A log that cannot be written must not end a backup.
    if (file) writing = writing.then(() => file?.append(stamped)).catch(() => {});
  };
  const report = (event: Event) => {
    next(event);
    note(event);
  };
  return {
    report,
    note,
    text: () => lines.map((line) => `${line}\n`).join(""),
    warnings: () => warnings,
    async keep() {
      try {
        await files.makeFolder(path.slice(0, path.lastIndexOf("/")), { mode: 0o750 });
        const opened = await files.appendTo(path);
        file = opened;
        for (const line of [...lines]) writing = writing.then(() => opened.append(line));
        await writing;
      } catch (error) {
        report({ kind: "warning", text: `Log "${path}" is not written: ${String(error)}` });
      }
    },
    async close() {
      await writing;
      await file?.close();
    },
  };
}
