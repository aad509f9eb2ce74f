import { hypervisorNameFault, nameFault } from "./safe_name.ts";
import { schemaParts } from "./schema_parts.ts";

export const methods = ["auto", "quiesce", "snapshot", "offline"] as const;
export const schedules = ["weekly", "biweekly", "monthly", "manual"] as const;
export const agentPolicies = ["fail", "fallback"] as const;

/** What holds for a VM that `vm-list.yaml` does not say otherwise about. */
export const vmDefaults = {
  method: "auto",
  priority: 100,
  schedule: "weekly",
  retention_weeks: 4,
  agent: "fail",
  allow_backing_chain: false,
  timeout_seconds: 60,
} as const;

/** A whole `vm-list.yaml` as data. */
export interface VmList {
  readonly vms: readonly VmListItem[];
}

export type VmListItem = ReturnType<ReturnType<typeof vmListSchema>["parse"]>["vms"][number];

const asList = 'Write it as a list, one item for each word: [ssh, admin@asav1, "write memory"]';

/** The schema of `vm-list.yaml`. */
export function vmListSchema(zod: typeof import("zod")) {
  const { z } = zod;
  const { text, name, wholeNumber, oneOf, mapping, listOf } = schemaParts(zod);

  const argv = z.array(
    text.refine((word) => !word.includes("\0"), { error: "it contains a NUL character" }),
    { error: `expected a list of a program and its arguments\n${asList}` },
  ).min(1, { error: `expected a program\n${asList}` })
    .refine((words) => words[0] !== "", { error: "expected the name of a program first" })
    .describe("A program and its arguments; no shell reads them");

  const timeout = wholeNumber(1, 3600).default(vmDefaults.timeout_seconds)
    .describe("Seconds after which the command is killed");

  const command = z.union([argv, mapping({ command: argv, timeout_seconds: timeout })]);

  const pattern = text.superRefine((value, context) => {
    try {
      new RegExp(value, "m");
    } catch (error) {
      const message = `${error instanceof Error ? error.message : error}\nSee JavaScript's RegExp`;
      context.addIssue({ code: "custom", message });
    }
  });

  const validation = mapping({
    command: argv.optional().describe("Program that the guest agent runs in the copy"),
    exit: wholeNumber(0, 255).optional().describe("Exit status that the command must end with"),
    output: pattern.optional().describe("Regular expression that its output must match"),
    tcp: wholeNumber(1, 65_535).optional()
      .describe("Port of the copy that must accept a connection, with --isolated-net"),
    console: pattern.optional()
      .describe("Regular expression that a line of the serial console must match"),
    timeout_seconds: timeout,
  }).superRefine(({ command, tcp, console, exit, output }, context) => {
    const kinds = [command, tcp, console].filter((kind) => kind !== undefined).length;
    const message = kinds !== 1
      ? "expected one of command, tcp and console"
      : command === undefined && (exit !== undefined || output !== undefined)
      ? "expected exit and output only beside a command"
      : undefined;
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

  const targetHint = "A target is what libvirt calls the disk in the VM: virsh domblklist VM";
  const targetError = `expected a disk target, as vda\n${targetHint}`;
  const targetsError = `expected a list of disk targets, as [vda]\n${targetHint}`;
  const targets = z.array(
    z.string({ error: targetError }).regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, { error: targetError }),
    { error: targetsError },
  ).min(1, { error: "expected at least one disk target\nRemove the line to mean all disks" });

  const vm = mapping({
    name: name(nameFault).describe("Name of the domain, as libvirt has it"),
    hypervisor: name(hypervisorNameFault).describe("HYPERVISOR_NAME of the machine that runs it"),
    method: oneOf(methods).default(vmDefaults.method).describe("How the disks are captured"),
    priority: wholeNumber(1, 9999).default(vmDefaults.priority)
      .describe("VMs with a lower number are backed up first"),
    schedule: oneOf(schedules).default(vmDefaults.schedule).describe("How often it is backed up"),
    retention_weeks: wholeNumber(1, 520).default(vmDefaults.retention_weeks)
      .describe("Weeks that a backup is kept"),
    agent: oneOf(agentPolicies).default(vmDefaults.agent)
      .describe("What happens when the guest agent does not answer"),
    allow_backing_chain: z.boolean({ error: "expected true or false" })
      .default(vmDefaults.allow_backing_chain)
      .describe("Accept disks that are linked clones of a template"),
    disks: mapping({
      include: targets.optional().describe("Only these disks are backed up"),
      exclude: targets.optional().describe("All disks but these are backed up"),
    }).nullish().describe("Which disks are backed up; default: all"),
    pre_backup_commands: listOf(command, "commands")
      .describe("Commands that the hypervisor runs before the backup"),
    guest_hooks: mapping({
      before_freeze: command.optional()
        .describe("Program that makes the applications of the guest ready for a freeze"),
      after_thaw: command.optional().describe("Program that lets them go on"),
    }).nullish().describe("Programs that the guest agent runs in the VM around its freeze"),
    config_capture: listOf(
      mapping({
        file: name(nameFault).describe("Name of the file under configs/ in the backup"),
        command: argv,
        timeout_seconds: timeout,
      }),
      "captures, each with file and command",
    ).describe("Commands whose output is kept with the backup"),
    validate: listOf(validation, "validations, each with command, tcp or console")
      .describe("What a test restore asks of the copy once it has booted"),
  });

  return mapping({ vms: listOf(vm, "VMs").describe("The VMs that are backed up") });
}
