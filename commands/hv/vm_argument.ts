import { parseNameArgument } from "../../core/config/escaped_name.ts";
import { checkVmName } from "../../core/config/vm_name.ts";

/**
 * Reads the name of a VM from the command line, as Bacula's jobs give it too; a bad one is an error of
 * usage.
 */
export function vmArgument(word: string): string {
  const name = parseNameArgument(word);
  checkVmName(name);
  return name;
}
