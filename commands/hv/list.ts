import { formatBytes } from "../../core/format/bytes.ts";
import { escaped } from "../../core/format/escaped.ts";
import type { Proof } from "../../core/proof/proof.ts";
import type { StoredBackup } from "../../core/repository/backups.ts";
import { shareFiles } from "../../core/sys/share_files.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";
import { vmArgument } from "./vm_argument.ts";

export function listCommand(context: CommandContext) {
  return newCommand("list", {
    summary: "List the backups on the share, of all hypervisors",
    examples: ["vmb hv list", "vmb hv list prod-db-01 --json"],
  })
    .argument("[vm]", "only those of this VM", vmArgument)
    .option("--json", "print them as JSON")
    .action(async (vm, { json }) => {
      const { settings } = await context.configuration();
      const { listBackups } = await import("../../core/repository/backups.ts");
      const { shareMount } = await import("../../core/repository/share.ts");
      await shareMount(context.system, settings);
      const share = shareFiles(
        context.system.files,
        settings.backupRoot,
        settings.shareTimeoutSeconds * 1000,
      );
      const backups = await listBackups(share, settings.backupRoot, { vm });
      const { lastProof } = await import("../../core/proof/proofs.ts");
      const proofs = await Promise.all(
        backups.map(async ({ address }) => (await lastProof(share, address))?.proof),
      );
      context.result(
        json,
        {
          backups: backups.map(({ address, folder, state, manifest, problem }, index) => ({
            vm: address.vm,
            hypervisor: address.hypervisor,
            id: address.id,
            folder,
            state,
            problem: problem ?? null,
            manifest: manifest ?? null,
            proof: proofs[index] ?? null,
          })),
        },
        () =>
          table([
            ["VM", "ID", "HYPERVISOR", "LEVEL", "METHOD", "CONSISTENCY", "SIZE", "STATE", "PROOF"],
            ...backups.map((backup, index) => row(backup, proofs[index])),
          ]) + backups.map(reasonOf).join(""),
      );
    });
}

/** Why nothing is known of a backup: it must not be met only when it is needed. */
function reasonOf({ address, state, problem }: StoredBackup): string {
  return state === "readable"
    ? ""
    : `\n${address.vm} ${address.id} is ${state}: ${escaped(problem ?? "")}\n`;
}

function row(
  { address, manifest, state }: StoredBackup,
  proof: Proof | undefined,
): readonly string[] {
  return [
    address.vm,
    address.id,
    address.hypervisor,
    manifest?.level ?? "-",
    manifest?.method ?? "-",
    manifest?.consistency ?? "-",
    manifest ? formatBytes(manifest.bytesWritten) : "-",
    state !== "readable" ? state : manifest?.readBack ? "read back" : "not read back",
    proof ? `${proof.verdict} ${proof.startedAt.slice(0, 10)}` : "-",
  ];
}
