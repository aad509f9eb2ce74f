import { exitCodes, toVmbError } from "../error.ts";
import type { DiskImage } from "../libvirt/domain_xml.ts";
import type { System } from "../sys/system.ts";

/**
 * What an image says of itself, read in the format that the domain's XML gives it: a guest can write any
 * header onto a raw disk.
 */
export interface ImageFacts {
  /** Of the file that a link leads to; `network` has no file on this machine. */
  readonly kind: "file" | "block" | "network";
  /** What the guest sees, in bytes. */
  readonly capacity: number;
  /** The most that an uncompressed copy of it takes, in bytes. */
  readonly needed: number;
  /** The images below, nearest first. */
  readonly backing: readonly DiskImage[];
  /** Path of the file that holds a qcow2's data, when that is another one. */
  readonly dataFile: string | undefined;
  /** Names of the snapshots inside a qcow2. */
  readonly internalSnapshots: readonly string[];
  /** Why it cannot be read as that image. */
  readonly problem: string | undefined;
  /** Why this machine's root cannot look into it, while QEMU may be able to. */
  readonly unreadable: string | undefined;
}

/** Images below one another that are looked at; QEMU itself gets slow long before. */
const deepest = 200;

const blank: ImageFacts = {
  kind: "file",
  capacity: 0,
  needed: 0,
  backing: [],
  dataFile: undefined,
  internalSnapshots: [],
  problem: undefined,
  unreadable: undefined,
};

/** The facts of an image that is on no file of this machine. */
export function networkFacts(capacity: number): ImageFacts {
  return { ...blank, kind: "network", capacity, needed: capacity };
}

/** The facts of an image that cannot be found. */
export function problemFacts(problem: string): ImageFacts {
  return { ...blank, problem };
}

/** Looks at an image once; nothing of it is changed, and a running domain keeps its locks. */
export async function imageFacts(
  { files, processes }: Pick<System, "files" | "processes">,
  { path, format }: { readonly path: string; readonly format: string },
): Promise<ImageFacts> {
  if (!path.startsWith("/")) return problemFacts(`its path "${path}" is not absolute`);
  let kind: ImageFacts["kind"];
  let held: number;
  try {
    const info = await files.inspectTarget(path);
    if (info === undefined) return problemFacts(`there is no "${path}"`);
    if (info.kind !== "file" && info.kind !== "block") {
      return problemFacts(`"${path}" is neither a file nor a block device`);
    }
    kind = info.kind;
    held = info.allocated;
  } catch (error) {
    return { ...blank, unreadable: toVmbError(error).message };
  }
  const info = await qemuInfo(processes, path, format);
  if (typeof info === "string") {
    return /permission denied/i.test(info)
      ? { ...blank, kind, unreadable: info }
      : { ...blank, kind, problem: info };
  }
  const capacity = info["virtual-size"] ?? 0;
  const data = info["format-specific"]?.data;
  const { backing, problem } = await chainBelow(processes, info);
  const dataFile = data?.["data-file"];
  const facts: ImageFacts = {
    ...blank,
    kind,
    capacity,
    needed: backing.length > 0
      // The image of a chain is flattened: what lies below the top one counts too.
      ? capacity
      : await measured(processes, path, format) ??
        (kind === "block" ? capacity : Math.min(held, capacity)),
    backing,
    dataFile,
    internalSnapshots: (info.snapshots ?? []).map(({ name }) => name),
  };
  return {
    ...facts,
    problem: data?.corrupt === true
      ? `"${path}" is marked as corrupt: run qemu-img check on it`
      : problem ?? await dataFileProblem(files, path, dataFile),
  };
}

interface QemuInfo {
  readonly "virtual-size"?: number;
  readonly "backing-filename"?: string;
  readonly "full-backing-filename"?: string;
  readonly "backing-filename-format"?: string;
  readonly snapshots?: readonly { readonly name: string }[];
  readonly "format-specific"?: {
    readonly data?: { readonly corrupt?: boolean; readonly "data-file"?: string };
  };
}

/** @returns what qemu-img says, or why it says nothing */
async function qemuInfo(
  processes: Pick<System["processes"], "run">,
  path: string,
  format: string,
): Promise<QemuInfo | string> {
  const argv = ["qemu-img", "info", "-U", "-f", format, "--output=json", path] as const;
  let words: string;
  try {
    const done = await processes.run(argv);
    if (done.code === 0) return JSON.parse(done.stdout) as QemuInfo;
    words = done.stderr.trim().replace(/^qemu-img: (Could not open '[^']*': )*/, "");
  } catch (thrown) {
    const error = toVmbError(thrown);
    if (error.exit === exitCodes.missing) throw error;
    words = error.message;
  }
  return `"${path}" cannot be read as ${format}: ${words.split("\n")[0]}`;
}

/** Follows the headers, each image in the format that the one above names: none is ever probed. */
async function chainBelow(
  processes: Pick<System["processes"], "run">,
  top: QemuInfo,
): Promise<{ readonly backing: readonly DiskImage[]; readonly problem: string | undefined }> {
  const backing: DiskImage[] = [];
  for (let above = top;;) {
    const source = above["full-backing-filename"] ?? above["backing-filename"];
    if (source === undefined || backing.length === deepest) return { backing, problem: undefined };
    const format = above["backing-filename-format"] ?? "";
    backing.push({ source, format });
    if (format === "" || !source.startsWith("/")) return { backing, problem: undefined };
    const below = await qemuInfo(processes, source, format);
    if (typeof below === "string") return { backing, problem: `the image below it, ${below}` };
    above = below;
  }
}

/** `qemu-img info` does not open the data file. */
async function dataFileProblem(
  files: Pick<System["files"], "inspectTarget">,
  image: string,
  dataFile: string | undefined,
): Promise<string | undefined> {
  // A protocol, such as `nbd:`: no file of this machine (qemu(1)).
  if (dataFile === undefined || /^[^/]*:/.test(dataFile)) return undefined;
  const path = dataFile.startsWith("/")
    ? dataFile
    : `${image.slice(0, image.lastIndexOf("/"))}/${dataFile}`;
  return await files.inspectTarget(path) === undefined
    ? `there is no "${path}", which holds its data`
    : undefined;
}

/** Bytes that a qcow2 of the image's content takes: true also where a device says nothing of what is used. */
async function measured(
  processes: Pick<System["processes"], "run">,
  path: string,
  format: string,
): Promise<number | undefined> {
  const argv = ["qemu-img", "measure", "-U", "-f", format, "-O", "qcow2", "--output=json", path];
  try {
    const done = await processes.run(argv as ["qemu-img", ...string[]]);
    if (done.code !== 0) return undefined;
    return (JSON.parse(done.stdout) as { required?: number }).required;
  } catch {
    // Its time was over: a huge image whose tables lie far away.
    return undefined;
  }
}
