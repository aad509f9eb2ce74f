import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { VmbError } from "../error.ts";
import {
  type Domain,
  type DomainState,
  domainState,
  listDomains,
  persistentXml,
} from "../libvirt/domain.ts";
import { describeDomain, type DomainDescription } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";
import { hostFirmware } from "./definition/host_firmware.ts";

/** A domain that is on the hypervisor now. */
export interface KnownDomain extends Domain {
  readonly state: DomainState;
  readonly xml: string;
  readonly description: DomainDescription;
}

/** What is on the hypervisor that a restored VM could collide with, or needs. */
export interface HostFacts {
  readonly domains: readonly KnownDomain[];
  /** By name: whether it is active. */
  readonly networks: ReadonlyMap<string, boolean>;
  readonly pools: ReadonlySet<string>;
  /** Paths of the emulators that libvirt has found. */
  readonly emulators: ReadonlySet<string>;
  /** Paths of firmware, and of templates for its variables. */
  readonly firmware: ReadonlySet<string>;
}

export async function hostFacts(
  system: Pick<System, "files">,
  virsh: Virsh,
): Promise<HostFacts> {
  const [listed, capabilities, firmware, all, active, pools] = await Promise.all([
    listDomains(virsh),
    virsh.run(["capabilities"]),
    hostFirmware(system, virsh),
    names(virsh, ["net-list", "--all", "--name"]),
    names(virsh, ["net-list", "--name"]),
    names(virsh, ["pool-list", "--all", "--name"]),
  ]);
  const domains = await Promise.all(listed.map((domain) => knownDomain(virsh, domain)));
  return {
    domains: domains.filter((domain) => domain !== undefined),
    networks: new Map(all.map((name) => [name, active.includes(name)])),
    pools: new Set(pools),
    emulators: emulatorsOf(capabilities),
    firmware,
  };
}

/** libvirt, formatcaps.html: an architecture, and some of its machines, have an `emulator`. */
function emulatorsOf(capabilities: string): ReadonlySet<string> {
  const { root } = parseXml(capabilities);
  const found = new Set<string>();
  const look = (element: XmlElement) => {
    if (element.name === "emulator") found.add(element.text.trim());
    for (const node of element.children) if (node instanceof XmlElement) look(node);
  };
  if (root instanceof XmlElement) look(root);
  return found;
}

async function knownDomain(virsh: Virsh, domain: Domain): Promise<KnownDomain | undefined> {
  try {
    const [state, xml] = await Promise.all([
      domainState(virsh, domain),
      persistentXml(virsh, domain),
    ]);
    if (state === undefined) return undefined;
    return { ...domain, state, xml, description: describeDomain(xml) };
  } catch (error) {
    // It ended meanwhile.
    if (error instanceof VmbError && error.code === "libvirt.no-domain") return undefined;
    throw error;
  }
}

async function names(virsh: Virsh, args: readonly [string, ...string[]]): Promise<string[]> {
  const done = await virsh.attempt(args);
  // A libvirt without that driver has none.
  if (done.code !== 0) return [];
  return done.stdout.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
