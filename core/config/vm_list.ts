import type { ConfigProblem } from "../error.ts";
import type { Argv } from "../sys/process.ts";
import { inFileOrder } from "./problem.ts";
import { schemaProblems } from "./schema_problem.ts";
import { repeatedNames } from "./vm_list_names.ts";
import {
  type agentPolicies,
  type methods,
  type schedules,
  vmDefaults,
  type VmListItem,
  vmListSchema,
} from "./vm_list_schema.ts";

/** A program that the hypervisor runs for a VM. */
export interface VmCommand {
  readonly argv: Argv;
  readonly timeoutSeconds: number;
}

/** A program whose output is kept with the backup, as `configs/<file>`. */
export interface ConfigCapture extends VmCommand {
  readonly file: string;
}

/** Something that a test restore asks of the copy. Patterns are regular expressions, in lines. */
export type Validation =
  & { readonly timeoutSeconds: number }
  & (
    | {
      readonly kind: "command";
      readonly argv: Argv;
      readonly exit: number;
      readonly output: string | undefined;
    }
    | { readonly kind: "tcp"; readonly port: number }
    | { readonly kind: "console"; readonly pattern: string }
  );

/** What `vm-list.yaml` says of a VM. */
export interface VmEntry {
  readonly name: string;
  /** Whether the list names the VM; if not, all values are defaults. */
  readonly listed: boolean;
  readonly hypervisor: string;
  readonly method: (typeof methods)[number];
  /** 1 to 9999, lower first. */
  readonly priority: number;
  readonly schedule: (typeof schedules)[number];
  readonly retentionWeeks: number;
  /** What happens when the guest agent does not answer. */
  readonly agent: (typeof agentPolicies)[number];
  /** Disks that are linked clones of a template are accepted. */
  readonly allowBackingChain: boolean;
  /** Disk targets; `include` is `undefined` for all disks. */
  readonly disks: {
    readonly include: readonly string[] | undefined;
    readonly exclude: readonly string[];
  };
  readonly preBackupCommands: readonly VmCommand[];
  /** Programs in the guest, around its freeze. */
  readonly guestHooks: {
    readonly beforeFreeze: VmCommand | undefined;
    readonly afterThaw: VmCommand | undefined;
  };
  readonly configCapture: readonly ConfigCapture[];
  readonly validate: readonly Validation[];
}

/**
 * Reads the text of a `vm-list.yaml`. Entries keep the order of the file.
 *
 * @param source path of the file, as problems name it
 */
export async function parseVmList(
  text: string,
  source: string,
): Promise<{ readonly vms: readonly VmEntry[]; readonly problems: readonly ConfigProblem[] }> {
  // The parser and the schema are loaded here: most starts of the program read no list.
  const { parseYaml } = await import("./yaml_document.ts");
  const document = parseYaml(text, source);
  if (document.problems.length > 0) return { vms: [], problems: document.problems };
  const schema = vmListSchema(await import("zod"));
  const parsed = schema.safeParse(document.data ?? {});
  const problems = [
    ...schemaProblems(parsed.error?.issues ?? [], document, source),
    ...repeatedNames(document, source),
  ];
  if (!parsed.success || problems.length > 0) return { vms: [], problems: inFileOrder(problems) };
  return { vms: parsed.data.vms.map(toEntry), problems: [] };
}

/** The entry of a VM that the list does not name. */
export function unlistedVm(name: string, hypervisor: string): VmEntry {
  return {
    name,
    listed: false,
    hypervisor,
    method: vmDefaults.method,
    priority: vmDefaults.priority,
    schedule: vmDefaults.schedule,
    retentionWeeks: vmDefaults.retention_weeks,
    agent: vmDefaults.agent,
    allowBackingChain: vmDefaults.allow_backing_chain,
    disks: { include: undefined, exclude: [] },
    preBackupCommands: [],
    guestHooks: { beforeFreeze: undefined, afterThaw: undefined },
    configCapture: [],
    validate: [],
  };
}

function toEntry(item: VmListItem): VmEntry {
  return {
    name: item.name,
    listed: true,
    hypervisor: item.hypervisor,
    method: item.method,
    priority: item.priority,
    schedule: item.schedule,
    retentionWeeks: item.retention_weeks,
    agent: item.agent,
    allowBackingChain: item.allow_backing_chain,
    disks: { include: item.disks?.include, exclude: item.disks?.exclude ?? [] },
    preBackupCommands: item.pre_backup_commands.map(toCommand),
    guestHooks: {
      beforeFreeze: item.guest_hooks?.before_freeze && toCommand(item.guest_hooks.before_freeze),
      afterThaw: item.guest_hooks?.after_thaw && toCommand(item.guest_hooks.after_thaw),
    },
    configCapture: item.config_capture.map(({ file, command, timeout_seconds }) => ({
      file,
      argv: toArgv(command),
      timeoutSeconds: timeout_seconds,
    })),
    validate: item.validate.map(toValidation),
  };
}

function toCommand(command: VmListItem["pre_backup_commands"][number]): VmCommand {
  return Array.isArray(command)
    ? { argv: toArgv(command), timeoutSeconds: vmDefaults.timeout_seconds }
    : { argv: toArgv(command.command), timeoutSeconds: command.timeout_seconds };
}

function toValidation(item: VmListItem["validate"][number]): Validation {
  const timeoutSeconds = item.timeout_seconds;
  if (item.tcp !== undefined) return { kind: "tcp", port: item.tcp, timeoutSeconds };
  if (item.console !== undefined) {
    return { kind: "console", pattern: item.console, timeoutSeconds };
  }
  const { command = [], exit = 0, output } = item;
  return { kind: "command", argv: toArgv(command), exit, output, timeoutSeconds };
}

function toArgv([program = "", ...rest]: readonly string[]): Argv {
  return [program, ...rest];
}
