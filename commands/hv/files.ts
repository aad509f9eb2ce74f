import { Argument } from "@commander-js/extra-typings";
import { exitCodes, VmbError } from "../../core/error.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "./vm_argument.ts";

export function filesCommand(context: CommandContext) {
  return newCommand("files", {
    summary: "Look into a backup, and take single files out of it",
    examples: [
      "vmb hv files prod-db-01 latest ls /etc",
      "vmb hv files prod-db-01 2026-11-21-120000 cat /etc/fstab",
      "vmb hv files prod-db-01 latest get /etc/postgresql /root/rescued",
    ],
    exits: {
      5: "a program or a privilege is missing: guestfish reads the files",
      10: "no such VM, backup or file",
    },
  })
    .argument("<vm>", "name of the VM", vmArgument)
    .argument("<id>", "id of the backup, or latest")
    .addArgument(new Argument("<action>", "what to do").choices(["ls", "cat", "get"]))
    .argument("<path>", "absolute path in the guest")
    .argument("[folder]", "with get: folder of this machine that the files are put into")
    .option(
      "--filesystem <device>",
      "mount only this one, as /dev/sdb1 (default: what the guest's system mounts)",
    )
    .option("--json", "print the result as JSON")
    .action(async (vm, id, action, path, folder, { filesystem, json }) => {
      if ((action === "get") !== (folder !== undefined)) {
        throw new VmbError(
          action === "get"
            ? "Give the folder that the files are put into"
            : `${action} takes no folder`,
          { code: "usage.arguments", exit: exitCodes.usage },
        );
      }
      const { settings } = await context.configuration();
      const { system, signal } = context;
      const [{ findBackup }, { shareMount }, { shareFiles }, { readBackupFile }] = await Promise
        .all([
          import("../../core/repository/backups.ts"),
          import("../../core/repository/share.ts"),
          import("../../core/sys/share_files.ts"),
          import("../../core/restore/files.ts"),
        ]);
      await shareMount(system, settings);
      const share = shareFiles(
        system.files,
        settings.backupRoot,
        settings.shareTimeoutSeconds * 1000,
      );
      const backup = await findBackup(share, settings.backupRoot, vm, id);
      const wish = action === "get"
        ? { kind: action, path, target: folder ?? "" } as const
        : { kind: action, path } as const;
      const collected: Uint8Array[] = [];
      const text = await readBackupFile(system, backup, wish, {
        share,
        fileSystem: filesystem,
        signal,
        onBytes: (bytes) => json ? collect(collected, bytes) : context.terminal.outBytes(bytes),
      });
      const content = action === "cat" && json ? asJson(collected) : { text };
      context.result(json, { vm, id: backup.address.id, action, path, ...content }, () => text);
    });
}

/** Bytes of a file that JSON may carry. */
const longestInJson = 64 * 1024 * 1024;

function collect(collected: Uint8Array[], bytes: Uint8Array): void {
  collected.push(bytes);
  if (collected.reduce((sum, { length }) => sum + length, 0) <= longestInJson) return;
  throw new VmbError(`The file has more than ${longestInJson} bytes: too many for JSON`, {
    code: "files.too-large",
    exit: exitCodes.usage,
    hint: "Leave --json away, or put it into a folder with get",
  });
}

/** Text where it is text, else base64: JSON knows no bytes. */
function asJson(pieces: readonly Uint8Array[]): { text: string } | { base64: string } {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  pieces.reduce((at, piece) => (bytes.set(piece, at), at + piece.length), 0);
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { base64: bytes.toBase64() };
  }
}
