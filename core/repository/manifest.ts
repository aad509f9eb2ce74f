import * as z from "zod";
import { VmbError } from "../error.ts";

const bytes = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const fileName = z.string().regex(/^(?!\.)[^/\0]+(\/(?!\.)[^/\0]+)*$/);

const diskSchema = z.strictObject({
  target: z.string().describe("the guest's name of the disk"),
  bus: z.string(),
  sourceType: z.enum(["file", "block"]),
  sourceFormat: z.string(),
  source: z.string().describe("path on the hypervisor"),
  virtualSize: bytes,
  file: fileName.describe("the qcow2 image"),
  fileSize: bytes.describe("apparent size; a gap before the tail may be a hole"),
  sha256,
  compression: z.enum(["none", "zstd"]),
  readBytes: bytes.describe("bytes read from the export; known zeros are not read"),
  storedBytes: bytes.describe("bytes of guest data in the image, after zeros and compression"),
  blockMap: fileName,
  digest: z.strictObject({
    algorithm: z.literal("xxh3-128"),
    seed: z.string().regex(/^[0-9a-f]{16}$/),
  }).describe("how the block map's digests of clusters were made"),
  contentDigest: sha256.describe(
    "SHA-256 of the block map's header and table: of the content, whatever its layout",
  ),
  seconds: z.number().nonnegative(),
});

const fileSchema = z.strictObject({
  name: fileName,
  role: z.enum(["disk", "blockmap", "domain-xml", "nvram", "tpm", "config", "log"]),
  size: bytes,
  sha256,
});

/** `backup-metadata.json`, schema version 1: the truth about one backup, never changed after publishing. */
const manifestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  id: z.string(),
  vm: z.strictObject({ name: z.string(), uuid: z.string() }),
  hypervisor: z.string(),
  runId: z.string(),
  versions: z.strictObject({
    vmb: z.string(),
    libvirt: z.string().nullable(),
    qemu: z.string().nullable(),
  }),
  startedAt: z.iso.datetime(),
  instant: z.iso.datetime().describe("the captured point in time"),
  finishedAt: z.iso.datetime(),
  method: z.enum(["quiesce", "snapshot", "offline"]),
  requestedMethod: z.enum(["auto", "quiesce", "snapshot", "offline"]),
  level: z.enum(["full"]),
  requestedLevel: z.string(),
  consistency: z.enum(["application", "filesystem", "crash", "offline"]),
  frozenMs: z.number().nonnegative().nullable(),
  autostart: z.boolean(),
  baculaJobId: z.int().positive().nullable(),
  disks: z.array(diskSchema),
  skippedDisks: z.array(z.strictObject({
    target: z.string(),
    device: z.string(),
    source: z.string().nullable(),
    reason: z.string(),
  })),
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
export type ManifestFile = z.infer<typeof fileSchema>;

export function writeManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`;
}

/**
 * Reads a manifest from the share.
 *
 * @throws {VmbError} `repository.manifest` with the field that is wrong
 */
export function readManifest(text: string, path: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badManifest(path, "is no JSON");
  }
  const version = (value as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === "number" && version > 1) {
    throw badManifest(path, `has schema version ${version}, newer than this vmb knows`);
  }
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw badManifest(path, `is invalid at ${issue?.path.join(".") || "its top"}: ${issue?.message}`);
}

function badManifest(path: string, what: string): VmbError {
  return new VmbError(`Manifest "${path}" ${what}`, { code: "repository.manifest" });
}
