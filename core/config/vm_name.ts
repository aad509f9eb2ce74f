import { exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { nameFault } from "./safe_name.ts";

/**
 * Says in one sentence why `name` cannot be the name of a VM; `undefined` for a name that can.
 *
 * The name becomes a folder and a part of file names on the share and stands in `checksums.sha256`; see
 * `nameFault` for the rules.
 */
export function vmNameProblem(name: string): string | undefined {
  const fault = nameFault(name);
  return fault === undefined ? undefined : `Cannot use ${quoted(name)} as a VM name: ${fault}`;
}

/**
 * Checks a VM name that was given on the command line.
 *
 * @throws {VmbError} `usage.vm-name` (exit 2) when the name cannot be one
 */
export function checkVmName(name: string): void {
  const problem = vmNameProblem(name);
  if (problem === undefined) return;
  throw new VmbError(problem, {
    code: "usage.vm-name",
    exit: exitCodes.usage,
    hint: "Give the name as libvirt lists it: virsh list --all",
  });
}
