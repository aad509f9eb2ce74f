import { exitCodes, VmbError } from "../error.ts";

/** One file of a TPM's state, by its path below the state's folder. */
export interface TpmFile {
  readonly path: string;
  readonly content: Uint8Array;
}

/**
 * The files that libtpms keeps, in the folder that libvirt names after the TPM's version, or in one that the domain
 * names itself (swtpm(8), `--tpmstate`; libtpms, TPM_PERMANENT_ALL_NAME and its like).
 */
const statePath = /^((tpm2|tpm1\.2)\/)?(tpm2|tpm)-00\.(permall|volatilestate|savestate)$/;

/** Bytes: a state has some hundred thousand at most. */
export const longestStateFile = 4 * 1024 * 1024;

export const longestArchive = 16 * 1024 * 1024;

const block = 512;

/** Whether a path below a state's folder is that of a file of the state. */
export function isStatePath(path: string): boolean {
  return statePath.test(path);
}

/** Whether nothing is lost without a file: swtpm makes it anew. */
export function isLockPath(path: string): boolean {
  return path === ".lock" || /^(tpm2|tpm1\.2)\/\.lock$/.test(path);
}

/**
 * Packs a state as a tar archive (POSIX ustar) that any tar unpacks: names and contents alone, no owner, no mode, no
 * time; one state always gives the same bytes.
 */
export function writeTpmArchive(state: readonly TpmFile[]): Uint8Array {
  const blocks = state.flatMap(({ path, content }) => [
    headerOf(path, content.length),
    content,
    new Uint8Array((block - content.length % block) % block),
  ]);
  const archive = new Uint8Array(blocks.reduce((sum, { length }) => sum + length, 2 * block));
  let at = 0;
  for (const bytes of blocks) {
    archive.set(bytes, at);
    at += bytes.length;
  }
  return archive;
}

/**
 * Reads the archive of a backup. It is hostile until checked: known names of regular files are all that is taken
 * from it; a folder is skipped, for it says nothing; whatever else there is refuses the whole.
 *
 * @throws {VmbError} `tpm.archive` (exit 6) that names the entry
 */
export function readTpmArchive(archive: Uint8Array): readonly TpmFile[] {
  if (archive.length > longestArchive) throw refused(`has ${archive.length} bytes`);
  const state: TpmFile[] = [];
  for (let at = 0; at + block <= archive.length;) {
    const header = archive.subarray(at, at + block);
    if (header.every((byte) => byte === 0)) break;
    if (octal(header, 148, 8) !== checksum(header)) throw refused(`is damaged at byte ${at}`);
    const name = text(header, 0, 100);
    const shown = JSON.stringify(name);
    // A name that goes on elsewhere is none of ours.
    if (text(header, 345, 155) !== "") throw refused(`holds ${shown}, whose name is too long`);
    const size = octal(header, 124, 12);
    const type = String.fromCharCode(header[156] ?? 0);
    at += block;
    if (type === "5" && /^(\.\/)?((tpm2|tpm1\.2)\/)?$/.test(name)) continue;
    if (type !== "0" && type !== "\0") throw refused(`holds ${shown}, which is no regular file`);
    if (size > longestStateFile) throw refused(`holds ${shown} of ${size} bytes`);
    const content = archive.slice(at, at + size);
    if (content.length < size) throw refused(`ends in the middle of ${shown}`);
    at += Math.ceil(size / block) * block;
    const path = name.replace(/^\.\//, "");
    if (isLockPath(path)) continue;
    if (!isStatePath(path)) throw refused(`holds ${shown}, which is no state of a TPM`);
    if (state.some((file) => file.path === path)) throw refused(`holds ${shown} twice`);
    state.push({ path, content });
  }
  if (state.length === 0) throw refused("holds no state");
  return state;
}

function headerOf(path: string, size: number): Uint8Array {
  const header = new Uint8Array(block);
  const put = (at: number, value: string) => header.set(new TextEncoder().encode(value), at);
  const number = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(0, `./${path}`);
  put(100, number(0o600, 7));
  put(108, number(0, 7));
  put(116, number(0, 7));
  put(124, number(size, 11));
  put(136, number(0, 11));
  put(156, "0");
  put(257, "ustar\0");
  put(263, "00");
  put(148, `${number(checksum(header), 6)}\0 `);
  return header;
}

/** The sum of a header's bytes, its own field taken as spaces. */
function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
}

function octal(header: Uint8Array, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  return /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : NaN;
}

function text(header: Uint8Array, at: number, length: number): string {
  const bytes = header.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function refused(what: string): VmbError {
  return new VmbError(`TPM archive of the backup ${what}: nothing of it is unpacked`, {
    code: "tpm.archive",
    exit: exitCodes.problems,
    hint: "It is not as vmb writes it: verify the backup, and look at who may write to the share",
  });
}
