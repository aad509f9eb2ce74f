import { createCipheriv, randomBytes } from "node:crypto";
import { runOk, systemProcesses } from "../../core/sys/process.ts";

const cluster = 64 * 1024;
const longestRun = 64 * 1024 ** 2;

/**
 * Replaces a disk image by one that holds random data in runs of 64 KiB to 64 MiB, with gaps between them.
 *
 * There is no file system on it, so the guest leaves it alone: whoever copies it, whenever, must get the
 * same bytes.
 */
export async function makeDataImage(
  path: string,
  { sizeBytes, dataBytes }: { readonly sizeBytes: number; readonly dataBytes: number },
): Promise<void> {
  const raw = `${path}.raw`;
  const cipher = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const zeros = new Uint8Array(1024 ** 2);
  using file = await Deno.open(raw, { createNew: true, write: true });
  await file.truncate(sizeBytes);
  for (const { offset, length } of dataRuns(sizeBytes, dataBytes)) {
    await file.seek(offset, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const random = new Uint8Array(cipher.update(zeros.subarray(0, length - done)));
      for (let at = 0; at < random.length;) at += await file.write(random.subarray(at));
      done += random.length;
    }
  }
  await Deno.remove(path);
  await runOk(systemProcesses, ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], {
    timeoutMs: 900_000,
  });
  await Deno.remove(raw);
}

/** Spreads the data over the disk; lengths are as often below 2 MiB as above. */
function* dataRuns(
  sizeBytes: number,
  dataBytes: number,
): Generator<{ readonly offset: number; readonly length: number }> {
  const gapShare = sizeBytes / dataBytes - 1;
  let offset = 0;
  for (let left = dataBytes; left > 0;) {
    const drawn = wholeClusters(cluster * (longestRun / cluster) ** Math.random());
    const length = Math.min(drawn, left);
    yield { offset, length };
    offset += length + wholeClusters(length * gapShare);
    left -= length;
  }
}

/** Rounded down: the gaps then never push the last run beyond the end. */
function wholeClusters(bytes: number): number {
  return Math.floor(bytes / cluster) * cluster;
}
