import type { VmEntry } from "../config/vm_list.ts";
import { agentProblem } from "../libvirt/agent.ts";
import {
  type BlockSizes,
  domainBlockSizes,
  type DomainInfo,
  domainInfo,
} from "../libvirt/domain_info.ts";
import {
  type Domain,
  type DomainState,
  domainState,
  findDomain,
  liveXml,
  persistentXml,
} from "../libvirt/domain.ts";
import { describeDomain, type DomainDescription } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { type DiskSelection, selectDisks } from "./disk_policy.ts";

/** What is known of a domain before its backup; finding it out changes nothing. */
export interface Survey {
  readonly domain: Domain;
  readonly state: DomainState;
  readonly info: DomainInfo;
  /** As it runs now, or as it would start. */
  readonly description: DomainDescription;
  /** With its secrets. */
  readonly persistentXml: string;
  readonly disks: DiskSelection;
  readonly sizes: ReadonlyMap<string, BlockSizes>;
  /** Why the guest agent does not answer; `undefined` when it does, or when the domain does not run. */
  readonly agentProblem: string | undefined;
}

/** @throws {VmbError} `libvirt.no-domain`, `libvirt.connect` */
export async function surveyDomain(
  virsh: Virsh,
  entry: VmEntry,
  { scratchDir }: { readonly scratchDir: string },
): Promise<Survey> {
  const domain = await findDomain(virsh, entry.name);
  const [state = "no state", info, inactive] = await Promise.all([
    domainState(virsh, domain),
    domainInfo(virsh, domain),
    persistentXml(virsh, domain),
  ]);
  const description = describeDomain(
    state === "shut off" ? inactive : await liveXml(virsh, domain),
  );
  const disks = selectDisks(description.disks, entry, scratchDir);
  const [sizes, silence] = await Promise.all([
    domainBlockSizes(virsh, domain, disks.chosen.map(({ target }) => target)),
    state !== "running"
      ? undefined
      : description.agent
      ? agentProblem(virsh, domain)
      : "no guest agent channel is configured",
  ]);
  return {
    domain,
    state,
    info,
    description,
    persistentXml: inactive,
    disks,
    sizes,
    agentProblem: silence,
  };
}
