import { digestAlgorithm, type Seed } from "../block_map/cluster_digest.ts";
import { firstDifference } from "../block_map/file_digest.ts";
import { VmbError } from "../error.ts";
import { blockMapName, imageName } from "../repository/layout.ts";
import type { ManifestDisk } from "../repository/manifest.ts";
import type { PartialBackup } from "../repository/partial.ts";
import { type ReadBack, readBack, ReadingBack } from "../repository/read_back.ts";
import type { BackupContext } from "./context.ts";
import type { NamedCopy } from "./copy_disks.ts";
import type { Survey } from "../survey/survey.ts";

export type ReadBackContext =
  & Pick<BackupContext, "phases" | "report" | "signal">
  & {
    readonly system: Pick<BackupContext["system"], "processes">;
    readonly settings: Pick<
      BackupContext["settings"],
      "backupRoot" | "compression" | "shareTimeoutSeconds"
    >;
    readonly request: Pick<BackupContext["request"], "readBack">;
    readonly entry: Pick<BackupContext["entry"], "name">;
  };

/**
 * Reads the images of one backup back from the share: behind the copy, what is durable, while later parts are
 * still copied. It holds the copy up in nothing. To be disposed of.
 */
export class ImagesReadBack {
  readonly #context: ReadBackContext;
  readonly #folder: string;
  readonly #seed: Seed;
  readonly #readings = new Map<string, ReadingBack>();

  constructor(context: ReadBackContext, folder: string, seed: Seed) {
    this.#context = context;
    this.#folder = folder;
    this.#seed = seed;
  }

  /** The disks whose images are being read. */
  get targets(): readonly string[] {
    return [...this.#readings.keys()];
  }

  /**
   * The image of a disk is durable up to there, in bytes. A compressed one is left until it is complete: its
   * header is put right at the end, and would have to be read anew.
   */
  durable(target: string, upTo: number): void {
    const { request, settings } = this.#context;
    if (!request.readBack || settings.compression !== "none") return;
    if (this.#readings.has(target) || this.#readings.size < atOnce) this.#of(target).durable(upTo);
  }

  /** Reads what is left of the image that a copy has made; all of it, when its header was put right. */
  async complete({ target, corrected, fileSize }: NamedCopy): Promise<ReadBack> {
    if (corrected) this.#forget(target);
    const { report } = this.#context;
    const onProgress = (done: number) =>
      report({ kind: "progress", target, done, total: fileSize });
    try {
      return await this.#of(target).complete(onProgress);
    } finally {
      this.#forget(target);
    }
  }

  [Symbol.dispose](): void {
    for (const target of this.targets) this.#forget(target);
  }

  #of(target: string): ReadingBack {
    const known = this.#readings.get(target);
    if (known !== undefined) return known;
    const { system, request, settings, entry, signal } = this.#context;
    const reading = new ReadingBack(system, `${this.#folder}/${imageName(entry.name, target)}`, {
      seed: this.#seed,
      below: settings.backupRoot,
      dropCache: request.readBack,
      stallMs: settings.shareTimeoutSeconds * stallFactor * 1000,
      signal,
    });
    this.#readings.set(target, reading);
    return reading;
  }

  #forget(target: string): void {
    this.#readings.get(target)?.[Symbol.dispose]();
    this.#readings.delete(target);
  }
}

/** Images that are read behind the copy at most: each takes a thread, and some 40 MiB. */
const atOnce = 2;

/** A share that gives nothing for this many of its time-outs counts as hung. */
const stallFactor = 10;

/**
 * Reads the images back from the share, past this machine's cache, and compares them with what was sent;
 * notes them and their block maps as files of the backup.
 *
 * Without a read-back only an image whose SHA-256 was not made on the way is read, from the cache: one whose
 * first cluster was replaced at the end.
 *
 * @throws {VmbError} `backup.read-back` when the share does not give back what was sent
 */
export async function readBackImages(
  context: ReadBackContext,
  partial: Pick<PartialBackup, "folder" | "note">,
  copies: readonly NamedCopy[],
  behind: ImagesReadBack,
): Promise<void> {
  const { request, entry, phases } = context;
  phases.begin(
    request.readBack ? "read-back" : "digest",
    request.readBack ? "Reading back what was written" : "Completing checksums",
  );
  for (const copy of copies) {
    const name = imageName(entry.name, copy.target);
    const mapName = blockMapName(entry.name, copy.target);
    const { fileSize, sha256: sent } = copy;
    const [sha256] = await Promise.all([
      request.readBack || sent === undefined ? readImage(name, copy, behind) : sent,
      request.readBack ? readMap(context, partial.folder, mapName, copy) : undefined,
    ]);
    partial.note({ name, role: "disk", size: fileSize, sha256 });
    partial.note({
      name: mapName,
      role: "blockmap",
      size: copy.blockMapSize,
      sha256: copy.blockMapSha256,
    });
  }
}

export function manifestDisks(
  { entry, settings }: Pick<BackupContext, "entry" | "settings">,
  survey: Survey,
  copies: readonly NamedCopy[],
): ManifestDisk[] {
  return copies.map((copy) => {
    const disk = survey.disks.chosen.find(({ target }) => target === copy.target);
    if (disk === undefined) {
      throw new Error(`disk ${copy.target} was copied, and is not among those chosen`);
    }
    return {
      target: copy.target,
      bus: disk.bus,
      sourceType: disk.type,
      sourceFormat: disk.format,
      source: disk.parts.place,
      virtualSize: copy.virtualSize,
      file: imageName(entry.name, copy.target),
      compression: settings.compression,
      readBytes: copy.readBytes,
      storedBytes: copy.storedBytes,
      blockMap: blockMapName(entry.name, copy.target),
      digest: { algorithm: digestAlgorithm, seed: copy.seed },
      contentDigest: copy.contentDigest,
      seconds: copy.seconds,
    };
  });
}

/** Reads what is left of an image; returns its SHA-256 when it is what was sent. */
async function readImage(name: string, copy: NamedCopy, behind: ImagesReadBack): Promise<string> {
  const { size, sha256, digests = new Uint8Array() } = await behind.complete(copy);
  if (size !== copy.fileSize) {
    throw differs(name, `has ${size} bytes, and ${copy.fileSize} were sent`);
  }
  const at = firstDifference(copy.fileDigests, digests);
  if (at === undefined) return sha256;
  throw differs(name, `is not what was sent, first within 4 MiB from byte ${at} on`);
}

async function readMap(
  { system, settings, signal }: ReadBackContext,
  folder: string,
  name: string,
  { blockMapSize, blockMapSha256 }: NamedCopy,
): Promise<void> {
  const { size, sha256 } = await readBack(system, `${folder}/${name}`, {
    dropCache: true,
    below: settings.backupRoot,
    stallMs: settings.shareTimeoutSeconds * stallFactor * 1000,
    signal,
  });
  if (size === blockMapSize && sha256 === blockMapSha256) return;
  throw differs(
    name,
    `has ${size} bytes with SHA-256 ${sha256}, and ${blockMapSize} with ${blockMapSha256} were sent`,
  );
}

function differs(name: string, how: string): VmbError {
  return new VmbError(`Read-back of "${name}" failed: what the share gave back ${how}`, {
    code: "backup.read-back",
    hint: "The share or the way to it is faulty: look at the file server before all else",
  });
}
