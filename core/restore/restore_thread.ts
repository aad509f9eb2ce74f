import { createHash } from "node:crypto";
import { reportError } from "../sys/thread_error.ts";
import { exitCodes, VmbError } from "../error.ts";
import { foreignImage, imageFault } from "../image/backup_image.ts";
import { headerBytes } from "../qcow2/header.ts";
import { createSink, openSource, readPieces, type Sink, type Source } from "../sys/files.ts";
import type { ThreadScope } from "../sys/thread.ts";
import { type ClusterTarget, qcow2Target, rawTarget } from "./cluster_target.ts";
import { readClusters } from "./image_clusters.ts";
import type { RestoreMessage, RestoreStart } from "./restore_image.ts";

const blockSize = 65_536;

/** Bytes read at once, and between two words of progress. */
const pieceSize = 16 * blockSize;
const progressBytes = 16 * pieceSize;

/** The entry of a restore thread: reads one image from the share, and writes it to the local disk. */
export function restoreThread(scope: ThreadScope): void {
  const post = (message: RestoreMessage) => scope.post(message);
  scope.onMessage((data) => {
    const start = data as RestoreStart;
    restore(start, (done) => post({ kind: "progress", done })).then(
      () => post({ kind: "done" }),
      (error) =>
        post({
          kind: "failed",
          error: reportError(error, `Restore of "${start.image}" to "${start.target}"`),
        }),
    );
  });
}

async function restore(start: RestoreStart, onProgress: (done: number) => void): Promise<void> {
  const source = await openSource(start.image, { below: start.below });
  try {
    if (source.size !== start.size) {
      throw changed(start, `it has ${source.size} bytes, and had ${start.size} when it was made`);
    }
    const sink = await createSink(start.target);
    try {
      const sha256 = await pass(start, source, sink, onProgress);
      if (sha256 !== start.sha256) {
        throw changed(start, `its SHA-256 is ${sha256}, and was ${start.sha256} when it was made`);
      }
      sink.sync();
    } finally {
      sink.close();
    }
  } finally {
    source.close();
  }
}

/** Writes the image to `sink` while it is read; returns the SHA-256 of all that was read. */
async function pass(
  start: RestoreStart,
  source: Source,
  sink: Sink,
  onProgress: (done: number) => void,
): Promise<string> {
  const hash = createHash("sha256");
  let told = 0;
  const onRead = (bytes: Uint8Array, end: number) => {
    hash.update(bytes);
    if (end - told < progressBytes) return;
    told = end;
    onProgress(end);
  };
  if (start.form === "copy") await copy(start, sink, onRead);
  else {
    const header = new Uint8Array(headerBytes);
    assertOurs(start.image, header.subarray(0, source.readAt(header, 0)), start.virtualSize);
    const target: ClusterTarget = start.form === "raw"
      ? rawTarget(sink, start.virtualSize)
      : await qcow2Target(sink, source, start.virtualSize);
    await readClusters(source, {
      pieceSize,
      onRead,
      onClusters: (first, bytes) => target.put(first, bytes),
    });
    target.finish();
  }
  return hash.digest("hex");
}

/** Copies a file byte by byte; blocks of zeros become holes. */
async function copy(
  { image, size, virtualSize, below }: RestoreStart,
  sink: Sink,
  onRead: (bytes: Uint8Array, end: number) => void,
): Promise<void> {
  let offset = 0;
  for await (const bytes of readPieces(image, pieceSize, { below })) {
    onRead(bytes, offset + bytes.length);
    // Of the very bytes that are written: they may change between two looks.
    if (offset === 0) assertOurs(image, bytes, virtualSize);
    for (const { from, to } of dataRuns(bytes)) {
      sink.writeAt(bytes.subarray(from, to), offset + from);
    }
    offset += bytes.length;
  }
  if (offset === 0) assertOurs(image, new Uint8Array(), virtualSize);
  sink.truncate(size);
}

/** A copied image is opened by QEMU with all that its header names. */
function assertOurs(image: string, bytes: Uint8Array, virtualSize: number): void {
  const fault = imageFault(bytes, { virtualSize });
  if (fault !== undefined) throw foreignImage(image, fault);
}

/** Runs of blocks of which each has a byte that is not zero. */
function* dataRuns(bytes: Uint8Array): Generator<{ from: number; to: number }> {
  let from = 0;
  for (let at = 0; at < bytes.length; at += blockSize) {
    const end = Math.min(at + blockSize, bytes.length);
    if (!isZero(bytes, at, end)) continue;
    if (at > from) yield { from, to: at };
    from = end;
  }
  if (bytes.length > from) yield { from, to: bytes.length };
}

/** Data that is not zero shows it in its first bytes; only zeros are read to the end. */
function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index++) if (bytes[index] !== 0) return false;
  return true;
}

function changed({ image }: RestoreStart, what: string): VmbError {
  return new VmbError(`"${image}" is not what was backed up: ${what}`, {
    code: "restore.checksum",
    exit: exitCodes.problems,
    hint: "Restore another backup (vmb hv list), and look at the file server",
  });
}
