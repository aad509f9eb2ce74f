import * as z from "zod";
import { hypervisorNameFault, nameFault } from "../config/safe_name.ts";
import { VmbError } from "../error.ts";
import { parseJson } from "../format/bounded_json.ts";
import { quoted } from "../format/quoted.ts";
import { isBackupId } from "./layout.ts";
import { missingFeature, needsSchema } from "./needs.ts";

/** The major version of the format, which docs/format.md describes: a reader of another one knows nothing of it. */
export const schemaVersion = 1;

/** Bytes: a manifest has some thousand. */
export const longestManifest = 2 * 1024 * 1024;

const bytes = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Of these a path is made, so that they are checked here and nowhere else: see `nameFault`. */
const safeName = (fault: (name: string) => string | undefined) =>
  z.string().refine((name) => fault(name) === undefined, {
    error: ({ input }) => `${quoted(String(input))} cannot be a name: ${fault(String(input))}`,
  });
const fileName = safeName((path) =>
  path.split("/").map((part) => nameFault(part, 255)).find((fault) => fault !== undefined)
);
const target = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,31}$/);
const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

/** A word of a list that may grow: what it means to a reader is said by `needs`. */
const word = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/);

const diskSchema = z.looseObject({
  target: target.describe("the guest's name of the disk"),
  bus: z.string(),
  sourceType: word.describe("file, block, volume, network, ..."),
  sourceFormat: z.string(),
  source: z.string().describe("path on the hypervisor, pool/volume, or protocol:host/name"),
  virtualSize: bytes,
  file: fileName.describe("the qcow2 image; its size and SHA-256 stand in files"),
  compression: word.describe("none, zstd"),
  readBytes: bytes.describe("bytes read from the export; known zeros are not read"),
  storedBytes: bytes.describe("bytes of guest data in the image, after zeros and compression"),
  blockMap: fileName,
  digest: z.looseObject({
    algorithm: word.describe("xxh3-128"),
    seed: z.string().regex(/^[0-9a-f]{16}$/),
  }).describe("how the block map's digests of clusters were made"),
  contentDigest: sha256.describe(
    "SHA-256 of the block map's header and table: of the content, whatever its layout",
  ),
  seconds: z.number().nonnegative(),
});

const fileSchema = z.looseObject({
  name: fileName,
  role: word.describe(
    "disk, blockmap, domain-xml, live-xml, nvram, tpm, boot-file, config, log, ...",
  ),
  size: bytes.describe("apparent size; in an image a gap before the tail may be a hole"),
  sha256,
});

const otherDataSchema = z.looseObject({
  kind: z.string().describe("kernel, fw_cfg file, shared folder, ..."),
  source: z.string(),
  use: word.describe("boot, data, host"),
  file: fileName.nullable().describe("its name in the backup"),
});

/**
 * `backup-metadata.json`: the truth about one backup, never changed after publishing. Keys that a reader does not
 * know are kept and ignored; what it must know is named in `needs`.
 */
const manifestSchema = z.looseObject({
  schemaVersion: z.literal(schemaVersion),
  needs: needsSchema,
  id: z.string().refine(isBackupId, "expected YYYY-MM-DD-HHMMSS"),
  vm: z.looseObject({ name: safeName(nameFault), uuid }),
  hypervisor: safeName(hypervisorNameFault),
  runId: z.string(),
  versions: z.looseObject({
    vmb: z.string(),
    libvirt: z.string().nullable(),
    qemu: z.string().nullable(),
  }),
  startedAt: z.iso.datetime(),
  instant: z.iso.datetime().describe("the captured point in time"),
  finishedAt: z.iso.datetime(),
  method: word.describe("quiesce, snapshot, offline"),
  requestedMethod: word,
  level: word.describe("full"),
  requestedLevel: z.string(),
  consistency: word.describe("application, filesystem, crash, offline"),
  frozenMs: z.number().nonnegative().nullable(),
  autostart: z.boolean(),
  baculaJobId: z.int().positive().nullable(),
  disks: z.array(diskSchema),
  skippedDisks: z.array(z.looseObject({
    target: z.string(),
    device: z.string(),
    source: z.string().nullable(),
    reason: z.string(),
  })),
  otherData: z.array(otherDataSchema).optional().describe("what the VM uses and is no disk"),
  secrets: z.array(z.looseObject({ name: z.string(), for: z.string() })).optional()
    .describe(
      "secrets of libvirt that the VM does not start without; their values are in no backup",
    ),
  absent: z.array(z.string()).optional()
    .describe("roles of files that the VM wants and did not have yet, or that could not be read"),
  files: z.array(fileSchema),
  bytesRead: bytes,
  bytesWritten: bytes,
  seconds: z.record(z.string(), z.number().nonnegative()).describe("seconds of each phase"),
  readBack: z.boolean().describe(
    "images and block maps were read back, cache dropped, and compared before publishing",
  ),
  warnings: z.array(z.string()),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestDisk = z.infer<typeof diskSchema>;
export type ManifestOtherData = z.infer<typeof otherDataSchema>;
export type ManifestFile = z.infer<typeof fileSchema>;

export function writeManifest(manifest: Manifest): string {
  const text = `${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`;
  const fault = contradiction(manifest);
  if (fault === undefined) return text;
  throw new VmbError(`Manifest of ${manifest.id} is not written: ${fault}`, {
    code: "repository.manifest",
  });
}

/**
 * Reads a manifest from the share.
 *
 * @throws {VmbError} `repository.newer` for one that a newer vmb must have written, `repository.manifest` with the
 *   field that is wrong
 */
export function readManifest(text: string, path: string): Manifest {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw badManifest(path, "is no JSON");
  }
  const version = (value as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === "number" && version > schemaVersion) {
    throw newer(path, `has schema version ${version}, this vmb knows ${schemaVersion}`);
  }
  const result = manifestSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const field = issue?.path.join(".") || "its top";
    throw badManifest(path, `is invalid at ${field}: ${issue?.message}`);
  }
  const manifest = result.data;
  const feature = missingFeature(manifest.needs, "list");
  if (feature !== undefined) throw newer(path, `needs ${quoted(feature)}, which this vmb lacks`);
  const fault = contradiction(manifest);
  if (fault !== undefined) throw badManifest(path, `contradicts itself: ${fault}`);
  return manifest;
}

/** The image of a disk as a file: its size and its SHA-256. */
export function imageOf(
  { files }: Pick<Manifest, "files">,
  { file }: Pick<ManifestDisk, "file">,
): ManifestFile {
  const found = files.find(({ name }) => name === file);
  // `readManifest` and `writeManifest` let no other pass.
  if (found === undefined) throw new Error(`image ${file} is not among the files`);
  return found;
}

/** What in a manifest of the right form cannot be. */
function contradiction({ disks, files }: Manifest): string | undefined {
  const twice = duplicate(files.map(({ name }) => name)) ??
    duplicate(disks.map(({ target }) => target)) ??
    duplicate(disks.flatMap(({ file, blockMap }) => [file, blockMap]));
  if (twice !== undefined) return `${quoted(twice)} stands there twice`;
  for (const { target, file, blockMap } of disks) {
    for (const [name, role] of [[file, "disk"], [blockMap, "blockmap"]] as const) {
      if (files.some((each) => each.name === name && each.role === role)) continue;
      return `${quoted(name)} of disk ${target} is no file of role ${role}`;
    }
  }
  return undefined;
}

function duplicate(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

function badManifest(path: string, what: string): VmbError {
  return new VmbError(`Manifest "${path}" ${what}`, { code: "repository.manifest" });
}

function newer(path: string, what: string): VmbError {
  return new VmbError(`Manifest "${path}" ${what}`, { code: "repository.newer" });
}
