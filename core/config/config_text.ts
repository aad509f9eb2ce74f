import { type ConfigProblem, exitCodes, VmbError } from "../error.ts";
import { formatBytes } from "../format/bytes.ts";
import type { Files } from "../sys/files.ts";

const largestFile = 256 * 1024;

/** A configuration file as it was found. */
export type ConfigText =
  | { readonly kind: "absent" }
  | { readonly kind: "text"; readonly text: string; readonly mode: number }
  | { readonly kind: "problem"; readonly problem: ConfigProblem };

/**
 * Reads a configuration file of at most 256 KiB as UTF-8; a byte order mark is dropped.
 *
 * @throws {VmbError} `config.unreadable` (exit 5) when we may not read it
 */
export async function readConfigText(
  files: Pick<Files, "inspectTarget" | "read">,
  path: string,
): Promise<ConfigText> {
  const problem = (message: string, hint?: string): ConfigText => ({
    kind: "problem",
    problem: { source: path, message, hint },
  });
  let bytes: Uint8Array;
  let mode: number;
  try {
    const info = await files.inspectTarget(path);
    if (info === undefined) return { kind: "absent" };
    if (info.kind !== "file") return problem(`Cannot read a ${info.kind}: expected a file`);
    if (info.size > largestFile) {
      return problem(
        `Cannot read ${formatBytes(info.size)}: expected at most ${formatBytes(largestFile)}`,
      );
    }
    mode = info.mode;
    bytes = await files.read(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EACCES") {
      throw new VmbError(`Cannot read "${path}": permission denied`, {
        code: "config.unreadable",
        exit: exitCodes.missing,
        hint: "Run vmb as root, or as a user of the group that owns the file",
        cause: error,
      });
    }
    return problem(`Cannot read the file: ${error instanceof Error ? error.message : error}`);
  }
  const bad = invalidUtf8(bytes);
  if (bad !== undefined) {
    return {
      kind: "problem",
      problem: {
        source: path,
        line: bad.line,
        column: bad.column,
        message: `Cannot read byte 0x${bad.byte.toString(16).padStart(2, "0")}: expected UTF-8`,
        hint: "Save the file as UTF-8",
      },
    };
  }
  return { kind: "text", text: new TextDecoder().decode(bytes), mode };
}

/** Place of the first byte that starts no valid UTF-8 sequence. */
function invalidUtf8(
  bytes: Uint8Array,
): { readonly line: number; readonly column: number; readonly byte: number } | undefined {
  const whole = new TextDecoder("utf-8", { fatal: true });
  try {
    whole.decode(bytes);
    return undefined;
  } catch {
    // The decoder does not tell where; the second pass, byte by byte, does.
  }
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let valid = "";
  let start = 0;
  for (const [index, byte] of bytes.entries()) {
    let decoded: string;
    try {
      decoded = decoder.decode(Uint8Array.of(byte), { stream: true });
    } catch {
      break;
    }
    if (decoded === "") continue;
    valid += decoded;
    start = index + 1;
  }
  const lines = valid.split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1, byte: bytes[start] ?? 0 };
}
