import { exitCodes, VmbError } from "../error.ts";
import { textDiff } from "../format/text_diff.ts";
import type { RenderedFile } from "../render/tree.ts";
import type { Files } from "../sys/files.ts";
import { digest } from "./desired.ts";
import type { DeployRecord } from "./record.ts";

/** What there is to do about a file. */
export interface FileChange {
  readonly path: string;
  readonly kind: "create" | "update" | "remove";
  /** Whether somebody changed it since vmb wrote it. */
  readonly drifted: boolean;
  readonly diff: string;
  /** `undefined` for one that is removed. */
  readonly file: RenderedFile | undefined;
}

/** The head of rendered files. Those without it are known from the record alone. */
const mark = "Rendered by vmb";

/**
 * Compares the installed files with how they shall be.
 *
 * @throws {VmbError} `deploy.foreign` (exit 6) where the file of somebody else is in the way
 */
export async function fileChanges(
  files: Pick<Files, "inspect" | "readText">,
  wanted: ReadonlyMap<string, RenderedFile>,
  record: DeployRecord,
): Promise<readonly FileChange[]> {
  const changes: FileChange[] = [];
  const foreign: string[] = [];

  /** Text of a file; `undefined` when there is none, and not one of ours when it is no file. */
  async function look(path: string) {
    const info = await files.inspect(path);
    if (info === undefined) return undefined;
    if (info.kind !== "file") return { text: "", mode: 0, ours: false };
    const text = await files.readText(path);
    return { text, mode: info.mode, ours: path in record.files || text.includes(mark) };
  }

  for (const [path, file] of wanted) {
    const there = await look(path);
    if (there === undefined) {
      const diff = textDiff(path, undefined, file.content);
      const drifted = (record.files[path] ?? "") !== "";
      changes.push({ path, kind: "create", drifted, diff, file });
      continue;
    }
    if (there.text === file.content && there.mode === file.mode) continue;
    // The same text by another hand is taken over.
    if (!there.ours && there.text !== file.content) {
      foreign.push(path);
      continue;
    }
    const written = record.files[path];
    changes.push({
      path,
      kind: "update",
      drifted: written !== undefined && written !== "" && written !== digest(there.text),
      diff: there.text === file.content
        ? `mode of ${path}: ${octal(there.mode)} -> ${octal(file.mode)}\n`
        : textDiff(path, there.text, file.content),
      file,
    });
  }
  for (const [path, written] of Object.entries(record.files)) {
    if (wanted.has(path)) continue;
    const there = await look(path);
    if (there === undefined || !there.ours) continue;
    changes.push({
      path,
      kind: "remove",
      drifted: written !== digest(there.text),
      diff: textDiff(path, there.text, undefined),
      file: undefined,
    });
  }
  const [first] = foreign;
  if (first !== undefined) {
    throw new VmbError(
      `Cannot install "${first}": a file that is not vmb's is there${
        foreign.length > 1 ? `; also ${foreign.slice(1).join(", ")}` : ""
      }`,
      {
        code: "deploy.foreign",
        exit: exitCodes.problems,
        hint: "Move it away, or make it an override in the repository",
      },
    );
  }
  return changes;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
