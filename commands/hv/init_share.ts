import { quoted } from "../../core/format/quoted.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";

export function initShareCommand(context: CommandContext) {
  return newCommand("init-share", {
    summary: "Give the share an id, once, so that no other one is taken for it",
    examples: ["vmb hv init-share", 'vmb hv init-share "Lab of Physics"'],
    exits: { 6: "the share is not mounted, or is another one than the configuration names" },
  })
    .argument("[site]", "name of the site, for people who find the share", "")
    .option("--json", "print the result as JSON")
    .action(async (site, { json }) => {
      const { settings } = await context.configuration();
      const { initShare } = await import("../../core/repository/init_share.ts");
      const share = await initShare(context.system, settings, site);
      const isNamed = settings.backupShareId === share.id;
      context.result(json, { ...share, isNamed }, () => {
        const of = share.site === "" ? "" : ` of site ${quoted(share.site)}`;
        return [
          `The share on "${settings.backupRoot}" ${
            share.isNew ? "got" : "has"
          } the id ${share.id}${of}`,
          ...isNamed ? [] : [
            "Put it into vm-backup.conf of every hypervisor, or as nfs: { id: ... } into site.yaml:",
            `  BACKUP_SHARE_ID=${share.id}`,
          ],
          "",
        ].join("\n");
      });
    });
}
