import { formatBytes } from "../../core/format/bytes.ts";
import { escaped } from "../../core/format/escaped.ts";
import { formatDuration } from "../../core/format/duration.ts";
import type { StoredProof } from "../../core/proof/proofs.ts";
import { imageOf, type Manifest } from "../../core/repository/manifest.ts";
import { shareFiles } from "../../core/sys/share_files.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";
import { vmArgument } from "./vm_argument.ts";

export function showCommand(context: CommandContext) {
  return newCommand("show", {
    summary: "Show all that is known of one backup",
    examples: ["vmb hv show prod-db-01", "vmb hv show prod-db-01 2026-11-21-120000 --json"],
    exits: { 6: "its manifest cannot be read", 10: "no such VM or backup" },
  })
    .argument("<vm>", "name of the VM", vmArgument)
    .argument("[id]", "id of the backup, or latest", "latest")
    .option("--json", "print it as JSON")
    .action(async (vm, id, { json }) => {
      const { settings } = await context.configuration();
      const { findBackup, usable } = await import("../../core/repository/backups.ts");
      const { shareMount } = await import("../../core/repository/share.ts");
      await shareMount(context.system, settings);
      const share = shareFiles(
        context.system.files,
        settings.backupRoot,
        settings.shareTimeoutSeconds * 1000,
      );
      const found = await findBackup(share, settings.backupRoot, vm, id);
      const { address, folder, manifest } = usable(found, "list");
      const { listProofs } = await import("../../core/proof/proofs.ts");
      const proofs = await listProofs(share, address);
      context.result(
        json,
        { folder, manifest, proofs },
        () => showManifest(folder, manifest) + showProofs(proofs),
      );
    });
}

/** The newest first. */
function showProofs(proofs: readonly StoredProof[]): string {
  if (proofs.length === 0) return "\nnever test-restored: vmb hv test-restore\n";
  return `\n${
    table([
      ["PROOF", "VERDICT", "ALIVE AFTER", "REASON"],
      ...proofs.toReversed().map(({ folder, proof, problem }) => [
        folder,
        proof?.verdict ?? "unreadable",
        proof?.recoverySeconds == null ? "-" : formatDuration(proof.recoverySeconds * 1000),
        proof?.reason ?? problem ?? "",
      ]),
    ])
  }`;
}

function showManifest(folder: string, manifest: Manifest): string {
  const facts = table([
    ["folder", folder],
    ["VM", `${manifest.vm.name} (${manifest.vm.uuid})`],
    ["hypervisor", manifest.hypervisor],
    ["instant", manifest.instant],
    ["level", manifest.level],
    ["method", `${manifest.method}, ${manifest.consistency}-consistent`],
    ["frozen", manifest.frozenMs === null ? "no" : `${manifest.frozenMs} ms`],
    ["read back", manifest.readBack ? "yes" : "no"],
    ["Bacula job", String(manifest.baculaJobId ?? "-")],
    [
      "seconds",
      Object.entries(manifest.seconds).map(([phase, value]) => `${phase} ${value}`).join(", "),
    ],
    [
      "versions",
      `vmb ${manifest.versions.vmb}, libvirt ${manifest.versions.libvirt}, QEMU ${manifest.versions.qemu}`,
    ],
  ]);
  const disks = table([
    ["DISK", "SOURCE", "VIRTUAL", "FILE", "CONTENT"],
    ...manifest.disks.map((disk) => [
      disk.target,
      disk.source,
      formatBytes(disk.virtualSize),
      formatBytes(imageOf(manifest, disk).size),
      disk.contentDigest.slice(0, 16),
    ]),
  ]);
  const rest = [
    ...manifest.skippedDisks.map(({ target, reason }) =>
      `without ${escaped(target)}: ${escaped(reason)}\n`
    ),
    ...manifest.warnings.map((warning) => `warning: ${escaped(warning)}\n`),
  ];
  return `${facts}\n${disks}${rest.length > 0 ? "\n" : ""}${rest.join("")}`;
}
