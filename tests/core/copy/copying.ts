import { type CopiedDisk, copyDisk, type CopyOptions } from "../../../core/copy/copy_disk.ts";
import { type Clock, systemClock } from "../../../core/sys/clock.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { connect, type Server, startQemuNbd } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

/** Copies the default export of a server to `<folder>/copy.qcow2` and `<folder>/copy.blockmap`. */
export async function copyFrom(
  server: Pick<Server, "socketPath">,
  folder: string,
  { clock = systemClock, ...changes }: Partial<CopyOptions> & { readonly clock?: Clock } = {},
): Promise<CopiedDisk> {
  const client = await connect(server, { metaContexts: ["base:allocation"] });
  return await copyDisk({ ...realSystem, clock }, {
    client,
    imagePath: `${folder}/copy.qcow2`,
    blockMapPath: `${folder}/copy.blockmap`,
    compression: "none",
    seed: "0123456789abcdef",
    checksum: false,
    digestThreads: 1,
    stallMs: 60_000,
    limit: () => Promise.resolve(),
    onProgress: () => {},
    signal: new AbortController().signal,
    ...changes,
  }).finally(() => client.disconnect());
}

/** A raw image of `size` bytes with what `qemu-io` is told to write. */
export async function rawImage(
  path: string,
  size: number,
  writes: readonly string[],
): Promise<void> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, size);
  const commands = writes.flatMap((write) => ["-c", `write ${write}`]);
  if (commands.length > 0) await qemu("qemu-io", "-f", "raw", ...commands, path);
}

export function serveRaw(path: string): Promise<Server> {
  return startQemuNbd("--format=raw", path);
}

/** Fills part of a file with bytes that no compressor makes smaller. */
export async function writeNoise(path: string, offset: number, length: number): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  const piece = new Uint8Array(65_536);
  for (let left = length; left > 0; left -= piece.length) {
    crypto.getRandomValues(piece);
    const bytes = piece.subarray(0, Math.min(left, piece.length));
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  }
}
