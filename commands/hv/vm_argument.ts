import { checkVmName } from "../../core/config/vm_name.ts";

/** Reads the name of a VM from the command line; a bad one is an error of usage. */
export function vmArgument(name: string): string {
  checkVmName(name);
  return name;
}
