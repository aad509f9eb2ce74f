import { exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { closest } from "./closest.ts";
import type { Inventory } from "./inventory.ts";
import type { SiteHypervisor } from "./site.ts";
import type { VmEntry } from "./vm_list.ts";

/**
 * Finds a VM of the inventory.
 *
 * @throws {VmbError} `inventory.unknown-vm` (exit 10)
 */
export function inventoryVm({ vms }: Pick<Inventory, "vms">, name: string): VmEntry {
  const vm = vms.find((each) => each.name === name);
  if (vm !== undefined) return vm;
  throw unknown("VM", name, vms.map((each) => each.name), "vm-list.yaml");
}

/**
 * Finds a hypervisor of the inventory.
 *
 * @throws {VmbError} `inventory.unknown-hypervisor` (exit 10)
 */
export function inventoryHypervisor(
  { site: { hypervisors } }: Pick<Inventory, "site">,
  name: string,
): SiteHypervisor {
  const hypervisor = hypervisors.find((each) => each.name === name);
  if (hypervisor !== undefined) return hypervisor;
  throw unknown("hypervisor", name, hypervisors.map((each) => each.name), "site.yaml");
}

function unknown(
  kind: "VM" | "hypervisor",
  name: string,
  known: readonly string[],
  file: string,
): VmbError {
  const near = closest(name, known);
  return new VmbError(`Unknown ${kind} ${quoted(name)}: ${file} does not have it`, {
    code: `inventory.unknown-${kind.toLowerCase()}`,
    exit: exitCodes.notFound,
    hint: near === undefined
      ? `It has: ${known.slice(0, 30).join(", ") || "none"}`
      : `Did you mean ${quoted(near)}?`,
  });
}
