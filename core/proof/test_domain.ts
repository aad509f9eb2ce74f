import { type Domain, domainState } from "../libvirt/domain.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import {
  applyEdits,
  attributeEdit,
  type Edit,
  insertionInto,
  removal,
  textEdit,
} from "../libvirt/xml_edit.ts";
import { attribute, child, children, parseDomain } from "../libvirt/xml_element.ts";
import { type DomainRewrite, rewriteDomain } from "../restore/rewrite_domain.ts";
import type { ProofNetwork } from "./proof.ts";

/** What becomes of a VM's XML for a throw-away copy of it. */
export interface TestCopy {
  readonly name: string;
  readonly uuid: string;
  readonly disks: DomainRewrite["disks"];
  readonly nvram: string | undefined;
  readonly consoleLog: string;
  readonly network: ProofNetwork;
  /** Name of the libvirt network when it is isolated. */
  readonly isolatedNetwork: string | undefined;
  /** Copies of the files that the VM boots from without a boot loader, by the path of the original. */
  readonly bootFiles: ReadonlyMap<string, string>;
  /** The libvirt of an ordinary user can make no tap devices. */
  readonly userSession: boolean;
}

/** Elements of `<os>` that name a file which the domain boots from. */
const bootElements = ["kernel", "initrd", "dtb"] as const;

/** Paths of the files that a domain boots from without a boot loader. */
export function bootFilesOf(xml: string): readonly string[] {
  const os = child(parseDomain(xml), "os");
  return bootElements.flatMap((name) => {
    const path = os && child(os, name)?.text.trim();
    return path ? [path] : [];
  });
}

/** MiB of memory that a domain takes from its host. */
export function memoryOf(xml: string): number {
  const memory = child(parseDomain(xml), "memory");
  const units: Readonly<Record<string, number>> = {
    ...{ b: 1, bytes: 1, KB: 1e3, k: 1024, KiB: 1024, MB: 1e6, M: 2 ** 20, MiB: 2 ** 20 },
    ...{ GB: 1e9, G: 2 ** 30, GiB: 2 ** 30, TB: 1e12, T: 2 ** 40, TiB: 2 ** 40 },
  };
  const unit = units[attribute(memory, "unit") ?? "KiB"] ?? 1024;
  return Math.ceil(Number(memory?.text.trim() ?? 0) * unit / 2 ** 20);
}

/**
 * Writes the XML of a throw-away copy: nothing of it names a file, a device or a network of the original.
 *
 * A disk that cannot be read stops the copy, so that it is noticed; and nothing waits for what a copy writes
 * to become durable.
 */
export function testCopyXml(xml: string, copy: TestCopy): string {
  const { name, uuid, disks, nvram, consoleLog, network, isolatedNetwork, userSession } = copy;
  const rewritten = rewriteDomain(xml, {
    ...{ name, uuid, disks, nvram, consoleLog },
    newMacs: true,
    otherDisks: "remove-media",
    forTest: true,
    network: network === "none" ? { kind: "none" } : userSession
      ? { kind: "link-down" }
      // Also without a network: it takes away whatever a bridge of production wanted.
      : { kind: "network", name: isolatedNetwork ?? "" },
  });
  const domain = parseDomain(rewritten);
  const devices = child(domain, "devices") ?? domain;
  return applyEdits(rewritten, [
    ...children(devices, "disk").flatMap((disk) =>
      disks.has(attribute(child(disk, "target"), "dev") ?? "") ? diskEdits(rewritten, disk) : []
    ),
    ...children(devices, "interface").flatMap((element) =>
      network === "link-down" && !userSession ? unplug(rewritten, element) : []
    ),
    ...bootElements.flatMap((element): readonly Edit[] => {
      const found = child(child(domain, "os"), element);
      const path = found && copy.bootFiles.get(found.text.trim());
      return found === undefined || path === undefined ? [] : [textEdit(rewritten, found, path)];
    }),
  ]);
}

type Element = ReturnType<typeof parseDomain>;

function diskEdits(xml: string, disk: Element): readonly Edit[] {
  const driver = child(disk, "driver");
  if (driver === undefined) return [];
  return [
    ...([["cache", "unsafe"], ["io", undefined], ["error_policy", "stop"], [
      "rerror_policy",
      "stop",
    ]] as const).map(([name, value]) => attributeEdit(xml, driver, name, value)),
    ...["iotune", "throttlefilters"].flatMap((name) =>
      children(disk, name).map((element) => removal(xml, element))
    ),
  ];
}

/**
 * A tap device of its own that nothing is attached to, and the link down on top of it: there is no bridge
 * that the cable could be put into again.
 */
function unplug(xml: string, element: Element): readonly Edit[] {
  const link = child(element, "link");
  return [
    attributeEdit(xml, element, "type", "ethernet"),
    ...children(element, "source").map((source) => removal(xml, source)),
    link === undefined
      ? insertionInto(xml, element, "<link state='down'/>")
      : attributeEdit(xml, link, "state", "down"),
  ];
}

/**
 * Ends a test copy; it is transient, so that libvirt forgets it then.
 *
 * @returns whether it was there
 */
export async function destroyTestDomain(virsh: Virsh, domain: Domain): Promise<boolean> {
  if (await domainState(virsh, domain) === undefined) return false;
  const done = await virsh.attempt(["destroy", domain.uuid], { timeoutMs: 120_000 });
  if (done.code === 0) return true;
  // It may have ended by itself meanwhile.
  if (await domainState(virsh, domain) === undefined) return true;
  await virsh.run(["destroy", domain.uuid], { timeoutMs: 120_000 });
  return true;
}
