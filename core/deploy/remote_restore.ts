import type { Argv } from "../sys/process.ts";

/** What `vmb hv restore` is told; each has its name there. */
export interface RestoreWishes {
  readonly name?: string | undefined;
  readonly replace?: boolean | undefined;
  readonly confirm?: string | undefined;
  readonly imageDir?: string | undefined;
  readonly format?: string | undefined;
  readonly network?: string | undefined;
  readonly start?: boolean | undefined;
  readonly trustDefinition?: boolean | undefined;
  readonly keepOtherDisks?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/**
 * The command that restores a VM, to be run on a hypervisor.
 *
 * @param vmb the program there
 */
export function restoreArgv(vmb: string, vm: string, id: string, wishes: RestoreWishes): Argv {
  const { name, replace, confirm, imageDir, format, network, start, dryRun, json } = wishes;
  const { trustDefinition, keepOtherDisks } = wishes;
  const values = [
    ...[["--name", name], ["--confirm", confirm], ["--image-dir", imageDir]] as const,
    ...[["--format", format], ["--network", network]] as const,
  ];
  const flags = [
    ...[["--replace", replace], ["--start", start]] as const,
    ...[["--trust-definition", trustDefinition]] as const,
    ...[["--keep-other-disks", keepOtherDisks]] as const,
    ...[["--dry-run", dryRun], ["--json", json]] as const,
  ];
  return [
    ...[vmb, "hv", "restore", vm, id] as const,
    ...values.flatMap(([flag, value]) => value === undefined ? [] : [flag, value]),
    ...flags.flatMap(([flag, given]) => given ? [flag] : []),
  ];
}
