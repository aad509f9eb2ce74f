import { exitCodes, VmbError } from "../../core/error.ts";
import { formatBytes } from "../../core/format/bytes.ts";
import { escaped } from "../../core/format/escaped.ts";
import type { Verification } from "../../core/repository/verify.ts";
import { shareFiles } from "../../core/sys/share_files.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "./vm_argument.ts";

export function verifyCommand(context: CommandContext) {
  return newCommand("verify", {
    summary: "Read backups from the share and compare every file with its checksum",
    examples: [
      "vmb hv verify prod-db-01",
      "vmb hv verify prod-db-01 2026-11-21-120000",
      "vmb hv verify --all --json",
    ],
    exits: {
      6: "a file is missing or was changed, or a newer vmb made the backup",
      10: "no such VM or backup",
    },
  })
    .argument("[vm]", "name of the VM", vmArgument)
    .argument("[id]", "id of the backup, or latest", "latest")
    .option("--all", "every backup of the VM, or of all VMs")
    .option("--json", "print the results as JSON")
    .action(async (vm, id, { all, json }) => {
      if (vm === undefined && !all) {
        throw new VmbError("Verification of nothing: name a VM, or give --all", {
          code: "usage.verify",
          exit: exitCodes.usage,
        });
      }
      const { settings } = await context.configuration();
      const { findBackup, listBackups } = await import("../../core/repository/backups.ts");
      const { verificationFailed, verifyBackup } = await import("../../core/repository/verify.ts");
      const { shareMount } = await import("../../core/repository/share.ts");
      const { system, signal, report } = context;
      await shareMount(system, settings, report);
      const share = shareFiles(
        system.files,
        settings.backupRoot,
        settings.shareTimeoutSeconds * 1000,
      );
      const backups = all
        ? await listBackups(share, settings.backupRoot, { vm })
        : [await findBackup(share, settings.backupRoot, vm ?? "", id)];
      const results: Verification[] = [];
      for (const backup of backups) {
        const result = await verifyBackup({ ...system, files: share }, backup, {
          signal,
          onProgress: (target, done, total) => report({ kind: "progress", target, done, total }),
        });
        results.push(result);
        if (!json) context.result(false, result, () => showVerification(result));
      }
      if (json) context.result(true, { verifications: results }, () => "");
      const failed = results.filter(({ ok }) => !ok);
      if (failed.length > 0) throw verificationFailed(failed);
    });
}

function showVerification(
  { vm, id, ok, newer, files, bytes, problems }: Verification,
): string {
  return [
    `${vm} ${id}: ${ok ? "ok" : newer ? "not verified" : "FAILED"}, ${files} files, ${
      formatBytes(bytes)
    }`,
    ...problems.map((problem) => `  ${escaped(problem)}`),
    "",
  ].join("\n");
}
