import { writeTpmArchive } from "../../../core/libvirt/tpm_archive.ts";
import { blockMapName, imageName } from "../../../core/repository/layout.ts";
import { needsOf } from "../../../core/repository/needs.ts";
import { beginPartial } from "../../../core/repository/partial.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { copyFrom, rawImage, serveRaw } from "../copy/copying.ts";
import { journalWith } from "../journal/records.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn, manifestOf } from "./stored.ts";

/** Bytes of each disk of the samples, and what lies on it: (byte, offset, length). */
export const sampleDisk = {
  size: 512 * 1024,
  writes: [[0xa5, 65_536, 4096], [7, 300_000, 70_000]],
} as const;

export const sampleTpm = "the state of a TPM";

/**
 * Writes a share as this vmb writes it, to be frozen when the format gets a new version:
 * `deno run -A tests/core/repository/sample_share.ts tests/formats/<version>`
 */
export async function writeSampleShare(root: string): Promise<void> {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/raw`;
  await rawImage(
    raw,
    sampleDisk.size,
    sampleDisk.writes.map(([byte, at, length]) => `-P ${byte} ${at} ${length}`),
  );
  for (const compression of ["none", "zstd"] as const) {
    const id = compression === "none" ? "2026-11-25-120000" : "2026-11-26-120000";
    const address = addressIn(root, { id });
    const journal = await journalWith(folder.path, [], { run: id });
    const partial = await beginPartial(systemFiles, journal, address);
    await using server = await serveRaw(raw);
    const copy = await copyFrom(server, folder.path, { compression });
    const [file, blockMap] = [imageName("gw-1", "vda"), blockMapName("gw-1", "vda")];
    await partial.add(file, "disk", await Deno.readFile(`${folder.path}/copy.qcow2`));
    await partial.add(blockMap, "blockmap", await Deno.readFile(`${folder.path}/copy.blockmap`));
    await Deno.remove(`${folder.path}/copy.qcow2`);
    await Deno.remove(`${folder.path}/copy.blockmap`);
    const content = new TextEncoder().encode(sampleTpm);
    await partial.add(
      "gw-1-tpm.tar",
      "tpm",
      writeTpmArchive([{ path: "tpm2/tpm2-00.permall", content }]),
    );
    await partial.add("gw-1.xml", "domain-xml", "<domain type='kvm'><name>gw-1</name></domain>\n");
    await partial.add("configs/running.txt", "config", "hostname gw-1\n");
    await partial.add("backup.log", "log", "");
    const disks = [{
      target: "vda",
      bus: "virtio",
      sourceType: "file",
      sourceFormat: "raw",
      source: "/var/lib/libvirt/images/gw-1.img",
      virtualSize: copy.virtualSize,
      file,
      compression,
      readBytes: copy.readBytes,
      storedBytes: copy.storedBytes,
      blockMap,
      digest: { algorithm: "xxh3-128", seed: copy.seed },
      contentDigest: copy.contentDigest,
      seconds: 0.1,
    }];
    const instant = `${id.slice(0, 10)}T12:00:01.000Z`;
    const files = [...partial.files()];
    await partial.publish(manifestOf(address, { disks, files, needs: needsOf(disks), instant }));
    await journal.end();
  }
}

if (import.meta.main) await writeSampleShare(Deno.args[0] ?? "");
