/** One entry of an archive; paths are relative, and folders come before what they hold. */
export type CpioEntry =
  | { readonly kind: "folder"; readonly path: string }
  | {
    readonly kind: "file";
    readonly path: string;
    readonly bytes: Uint8Array;
    readonly mode: number;
  }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | {
    readonly kind: "character-device";
    readonly path: string;
    readonly major: number;
    readonly minor: number;
  };

/**
 * Writes an archive in the "newc" format, as the kernel reads it (buffer-format.rst of its
 * documentation): header fields of 8 hexadecimal digits, name and data padded to 4 bytes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry, index) => record(index + 1, entry));
  parts.push(...record(0, { kind: "file", path: "TRAILER!!!", bytes: new Uint8Array(), mode: 0 }));
  const archive = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    archive.set(part, offset);
    offset += part.length;
  }
  return archive;
}

function record(inode: number, entry: CpioEntry): Uint8Array[] {
  const name = new TextEncoder().encode(`${entry.path}\0`);
  const data = dataOf(entry);
  const [major, minor] = entry.kind === "character-device" ? [entry.major, entry.minor] : [0, 0];
  const fields = [
    ...[inode, modeOf(entry), 0, 0, 1, 0, data.length],
    ...[0, 0, major, minor, name.length, 0],
  ];
  const header = new TextEncoder().encode(
    "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join(""),
  );
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

function dataOf(entry: CpioEntry): Uint8Array {
  switch (entry.kind) {
    case "file":
      return entry.bytes;
    case "link":
      return new TextEncoder().encode(entry.target);
    case "folder":
    case "character-device":
      return new Uint8Array();
  }
}

function modeOf(entry: CpioEntry): number {
  switch (entry.kind) {
    case "folder":
      return 0o040755;
    case "file":
      return 0o100000 | entry.mode;
    case "link":
      return 0o120777;
    case "character-device":
      return 0o020600;
  }
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - length % 4) % 4);
}
