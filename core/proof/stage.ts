import type { DiskExport } from "../image/disk_export.ts";
import { assertBackupImage } from "../image/backup_image.ts";
import { serveImages } from "../image/export_server.ts";
import { copyDisk } from "../copy/copy_disk.ts";
import { VmbError } from "../error.ts";
import { connectNbd } from "../nbd/client.ts";
import { formatBytes } from "../format/bytes.ts";
import { quoted } from "../format/quoted.ts";
import { clusterSize } from "../qcow2/cluster.ts";
import { listDomains, persistentXml } from "../libvirt/domain.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import { tpmStateFolder, unpackTpmState } from "../libvirt/tpm_state.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { attribute, child, parseDomain } from "../libvirt/xml_element.ts";
import { runOk } from "../sys/process.ts";
import { createOverlay } from "../image/overlay.ts";
import { assertNames } from "../restore/definition/names.ts";
import { hostFirmware } from "../restore/definition/host_firmware.ts";
import { assertOwnVariables } from "../restore/definition/variable_store.ts";
import type { RewrittenDisk } from "../restore/rewrite.ts";
import type { BackupFiles } from "../repository/backup_files.ts";
import type { ProofContext } from "./context.ts";
import { imageProblem } from "./image_check.ts";
import type { Proof } from "./proof.ts";
import { bootFilesOf } from "./test_domain.ts";

/** What a copy stands on, all of it in the run's own folders. */
export interface Staged {
  readonly disks: ReadonlyMap<string, RewrittenDisk>;
  /** The backup's images, read-only. */
  readonly exports: readonly DiskExport[];
  readonly nvram: string | undefined;
  readonly bootFiles: ReadonlyMap<string, string>;
  /** Paths of the firmware that this host has. */
  readonly firmware: ReadonlySet<string>;
  /** What was compared already, when the disks were copied. */
  readonly compared: Proof["compared"];
}

/**
 * Puts local overlays over the images of the backup, which `qemu-nbd` serves read-only as root: QEMU's user
 * never gets at the files themselves. With a full copy, the copies take the place of the overlays.
 *
 * @throws {VmbError} `capture.export` when an image cannot be opened, `proof.content` when its content is not
 *   what was backed up; `proof.space`
 */
export async function stageDisks(
  context: ProofContext,
): Promise<Pick<Staged, "disks" | "exports" | "compared">> {
  const { system, backup, scratchFolder, stagingFolder, owner, request, signal } = context;
  const { manifest, folder } = backup;
  assertNames(manifest);
  const images = manifest.disks.map(({ target, file }) => ({
    target,
    path: `${folder}/${file}`,
    format: "qcow2",
    alone: true,
  }));
  for (const { file, virtualSize } of manifest.disks) {
    await assertBackupImage(context.share, { path: `${folder}/${file}`, virtualSize });
  }
  const { exports } = await serveImages(
    system,
    images,
    { sockets: scratchFolder, logs: stagingFolder },
    owner,
  );
  const problems = await Promise.all(
    images.map(({ path, target }) =>
      imageProblem(system.processes, path, { signal, timeoutMs: 300_000 })
        .then((problem) => problem && `image of disk ${target}: ${problem}`)
    ),
  );
  const problem = problems.find((each) => each !== undefined);
  if (problem !== undefined) throw new VmbError(problem, { code: "proof.content" });
  if (request.fullCopy) return { exports, ...await copyDisks(context, exports) };
  const disks = new Map<string, { path: string; format: "qcow2" }>();
  for (const source of exports) {
    const { target } = source;
    const path = `${scratchFolder}/${target}.qcow2`;
    await createOverlay(system, source, path, signal);
    disks.set(target, { path, format: "qcow2" });
  }
  return { exports, disks, compared: [] };
}

/** Copies every disk and compares all of it: the block map of what arrived is the digest of its content. */
async function copyDisks(
  context: ProofContext,
  exports: readonly DiskExport[],
): Promise<Pick<Staged, "disks" | "compared">> {
  const { system, backup, scratchFolder, stagingFolder, settings, report, signal } = context;
  const needed = backup.manifest.disks.reduce((sum, { readBytes }) => sum + readBytes, 0);
  const { free } = await system.files.space(scratchFolder);
  if (free < needed + settings.minFreeBytes) {
    throw new VmbError(
      `Only ${formatBytes(free)} are free at "${settings.scratchDir}", the full copy needs ${
        formatBytes(needed)
      } beside MIN_FREE_GB`,
      { code: "proof.space", hint: "Prove it without --full-copy: that needs hardly any room" },
    );
  }
  const disks = new Map<string, { path: string; format: "qcow2" }>();
  const compared: Proof["compared"] = [];
  for (const source of exports) {
    const { target } = source;
    const path = `${scratchFolder}/${target}.qcow2`;
    const disk = backup.manifest.disks.find((candidate) => candidate.target === target);
    if (disk === undefined) throw new Error(`disk ${target} is served, and not in the backup`);
    const { socketPath, exportName } = source;
    const metaContexts = ["base:allocation"];
    const { network } = system;
    const client = await connectNbd({ network, socketPath, exportName, metaContexts, signal });
    const copied = await copyDisk(system, {
      client,
      imagePath: path,
      blockMapPath: `${stagingFolder}/${target}.blockmap`,
      compression: "none",
      seed: disk.digest.seed,
      digestThreads: 1,
      checksum: false,
      stallMs: settings.shareTimeoutSeconds * 10_000,
      limit: () => Promise.resolve(),
      onProgress: (done, total) => report({ kind: "progress", target, done, total }),
      signal,
    }).finally(() => client.disconnect());
    if (copied.contentDigest !== disk.contentDigest) {
      throw new VmbError(`The content of disk ${target} is not what was backed up`, {
        code: "proof.content",
        hint: "Find the damaged file with: vmb hv verify",
      });
    }
    const clusters = copied.storedBytes / clusterSize;
    compared.push({ target, clusters, of: clusters });
    disks.set(target, { path, format: "qcow2" });
  }
  return { disks, compared };
}

/** Copies what the domain has beside its disks: UEFI variables, state of the TPM, kernel and initrd. */
export async function stageCompanions(
  context: ProofContext,
  { xml, nvram, tpm }: BackupFiles,
): Promise<Pick<Staged, "nvram" | "bootFiles" | "firmware">> {
  const { system, scratchFolder, journal, virsh, copy, owner, backup } = context;
  const { files, processes } = system;
  const give = async (path: string) => {
    if (owner) await files.own(path, owner.uid, owner.gid);
    return path;
  };
  const extension = /\.\w+$/.exec(nvram?.name ?? "")?.[0] ?? ".fd";
  const nvramPath = nvram || describeDomain(xml).nvram
    ? `${scratchFolder}/nvram${extension}`
    : undefined;
  if (nvram && nvramPath) {
    assertOwnVariables(nvram.name, nvram.content);
    await files.write(nvramPath, nvram.content);
    await give(nvramPath);
  }
  if (tpm !== undefined) {
    const path = tpmStateFolder(system.host, virsh.uri, copy.uuid);
    await journal.write({ step: "test-tpm", path });
    await unpackTpmState(files, tpm, path);
  }
  const here = await definedHere(virsh, backup.manifest.vm.uuid);
  const bootFiles = new Map<string, string>();
  for (const original of bootFilesOf(xml)) {
    if (bootFiles.has(original)) continue;
    const path = `${scratchFolder}/boot-${bootFiles.size}`;
    // A path of the share's choice would put any file of this host into a guest of the share's choice.
    if (!here.bootFiles.includes(original) || !await files.inspectTarget(original)) {
      throw new VmbError(`The VM boots from ${quoted(original)}, which the backup does not hold`, {
        code: "proof.boot-file",
        hint:
          "Prove it where the VM is defined, or back it up again: newer backups hold such files",
      });
    }
    await runOk(processes, ["cp", "--dereference", "--", original, path]);
    bootFiles.set(original, await give(path));
  }
  const firmware = new Set([...await hostFirmware(system, virsh), ...here.firmware]);
  return { nvram: nvramPath, bootFiles, firmware };
}

/** Files that the VM itself, as this host's libvirt defines it today, boots from. */
async function definedHere(
  virsh: Virsh,
  uuid: string,
): Promise<{ readonly bootFiles: readonly string[]; readonly firmware: readonly string[] }> {
  const domain = (await listDomains(virsh)).find((each) => each.uuid === uuid);
  if (domain === undefined) return { bootFiles: [], firmware: [] };
  const xml = await persistentXml(virsh, domain);
  const os = child(parseDomain(xml), "os");
  const firmware = [child(os, "loader")?.text.trim(), attribute(child(os, "nvram"), "template")];
  return { bootFiles: bootFilesOf(xml), firmware: firmware.filter((path) => path !== undefined) };
}
