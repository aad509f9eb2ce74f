import type { Command } from "@commander-js/extra-typings";
import { newCommand } from "./command.ts";
import { schemaCommand } from "./config/schema.ts";
import { showCommand as showConfigCommand } from "./config/show.ts";
import { validateCommand } from "./config/validate.ts";
import type { CommandContext } from "./context.ts";
import { certsCommand } from "./ctl/certs.ts";
import { checkCommand as checkSiteCommand } from "./ctl/check.ts";
import { deployCommand } from "./ctl/deploy.ts";
import { diffCommand } from "./ctl/diff.ts";
import { fixCommand } from "./ctl/fix.ts";
import { initCommand } from "./ctl/init.ts";
import { pushCommand } from "./ctl/push.ts";
import { everydayCommands } from "./ctl/everyday.ts";
import { renderCommand } from "./ctl/render.ts";
import { secretsCheckCommand } from "./ctl/secrets/check.ts";
import { secretsInitCommand } from "./ctl/secrets/init.ts";
import { secretsRotateCommand } from "./ctl/secrets/rotate.ts";
import { teardownCommand } from "./ctl/teardown.ts";
import { tellCommand } from "./ctl/tell.ts";
import { backupCommand } from "./hv/backup.ts";
import { cancelCommand } from "./hv/cancel.ts";
import { checkCommand } from "./hv/check.ts";
import { filesCommand } from "./hv/files.ts";
import { initShareCommand } from "./hv/init_share.ts";
import { installCommand } from "./hv/install.ts";
import { listCommand } from "./hv/list.ts";
import { notifyTestCommand } from "./hv/notify/test.ts";
import { recoverCommand } from "./hv/recover.ts";
import { restoreCommand } from "./hv/restore.ts";
import { runsCommand } from "./hv/runs.ts";
import { showCommand } from "./hv/show.ts";
import { testRestoreCommand } from "./hv/test_restore.ts";
import { verifyCommand } from "./hv/verify.ts";

/** The tree of all commands. Making it does no work: a command loads what it needs when it runs. */
export function makeProgram(context: CommandContext): Command {
  const program = context.system.host.calledAs() === labBackup
    ? everydayProgram(context)
    : wholeProgram(context);
  settle(program, context);
  return program;
}

/** Name of a link to vmb, by which administrators call what they need every day. */
const labBackup = "lab-backup";

function everydayProgram(context: CommandContext): Command {
  const program = newCommand(labBackup, {
    summary: "Backups of VMs, every day: vmb ctl under another name",
    examples: ["lab-backup status", "lab-backup run prod-db-01", "lab-backup restore prod-db-01"],
  });
  program.version(`${labBackup} (vmb ${context.version})`, "--version", "show the version");
  for (const command of everydayCommands(context)) add(program, command);
  return program;
}

function wholeProgram(context: CommandContext): Command {
  const program = newCommand("vmb", {
    summary: "Backups of libvirt VMs that are proven to restore",
    examples: ["vmb hv backup prod-db-01", "vmb hv verify prod-db-01", "vmb config show --origin"],
  });
  const form = context.system.host.form();
  program.version(
    `vmb ${context.version} (${form})`,
    "--version",
    "show the version and the form of the build",
  );

  const hv = newCommand("hv", {
    summary: "On a hypervisor: back up, verify, list",
    examples: ["vmb hv backup prod-db-01"],
  });
  add(hv, backupCommand(context));
  add(hv, checkCommand(context));
  add(hv, verifyCommand(context));
  add(hv, restoreCommand(context));
  add(hv, testRestoreCommand(context));
  add(hv, listCommand(context));
  add(hv, showCommand(context));
  add(hv, filesCommand(context));
  add(hv, recoverCommand(context));
  add(hv, installCommand(context));
  add(hv, initShareCommand(context));
  add(hv, runsCommand(context));
  add(hv, cancelCommand(context));
  const notify = newCommand("notify", {
    summary: "Messages to Slack",
    examples: ["vmb hv notify test"],
  });
  add(notify, notifyTestCommand(context));
  add(hv, notify);

  const ctl = newCommand("ctl", {
    summary: "On the control VM: from a repository to a running Bacula",
    examples: ["vmb ctl init backup-site", "vmb ctl deploy", "vmb ctl check"],
  });
  add(ctl, initCommand(context));
  add(ctl, renderCommand(context));
  add(ctl, diffCommand(context));
  const secrets = newCommand("secrets", {
    summary: "The secrets of the site",
    examples: ["vmb ctl secrets init"],
  });
  add(secrets, secretsInitCommand(context));
  add(secrets, secretsRotateCommand(context));
  add(secrets, secretsCheckCommand(context));
  add(ctl, secrets);
  add(ctl, certsCommand(context));
  add(ctl, pushCommand(context));
  for (const command of everydayCommands(context)) add(ctl, command);
  add(ctl, deployCommand(context));
  add(ctl, checkSiteCommand(context));
  add(ctl, fixCommand(context));
  add(ctl, tellCommand(context));
  add(ctl, teardownCommand(context));

  const config = newCommand("config", {
    summary: "The configuration of this machine",
    examples: ["vmb config validate"],
  });
  add(config, showConfigCommand(context));
  add(config, validateCommand(context));
  add(config, schemaCommand(context));

  add(program, hv);
  add(program, ctl);
  add(program, config);
  return program;
}

/** The typings of commander know a command's own arguments; in the tree they no longer matter. */
function add(parent: Command, child: unknown): void {
  parent.addCommand(child as Command);
}

/** No command exits or writes by itself: errors are thrown, and text goes through the terminal. */
function settle(command: Command, context: CommandContext): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => context.terminal.out(text),
    writeErr: (text) => context.terminal.err(text),
    getOutHelpWidth: () => context.terminal.columns(),
    getErrHelpWidth: () => context.terminal.columns(),
  });
  for (const child of command.commands) settle(child as Command, context);
}
