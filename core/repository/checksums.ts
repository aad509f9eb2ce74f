import { VmbError } from "../error.ts";

export interface Checksum {
  /** Path relative to the backup's folder. */
  readonly name: string;
  /** SHA-256, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Writes the text form that `sha256sum -c` reads; names never hold a backslash or a newline. */
export function writeChecksums(checksums: readonly Checksum[]): string {
  return checksums.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
}

/**
 * Reads a checksums file. What it names is hostile until checked: a name leads nowhere but into the folder.
 *
 * @throws {VmbError} `repository.checksums` with the line number
 */
export function readChecksums(text: string, path: string): readonly Checksum[] {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw bad(path, lines.length + 1, "has no end of line");
  return lines.map((line, index) => {
    const match = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    const [, sha256, name] = match ?? [];
    if (sha256 === undefined || name === undefined) throw bad(path, index + 1, "is no checksum");
    if (name.startsWith("/") || name.split("/").some((part) => part === ".." || part === "")) {
      throw bad(path, index + 1, `names ${JSON.stringify(name)}, outside of the backup`);
    }
    return { name, sha256 };
  });
}

function bad(path: string, line: number, what: string): VmbError {
  return new VmbError(`Checksums ${path}:${line} ${what}`, {
    code: "repository.checksums",
    hint: "The file was changed after the backup: do not trust this backup before it is verified",
  });
}
