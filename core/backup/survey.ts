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
export async function surveyDomain(virsh: Virsh, entry: VmEntry): Promise<Survey> {
  const domain = await findDomain(virsh, entry.name);
  const [state = "no state", info, inactive, sizes] = await Promise.all([
    domainState(virsh, domain),
    domainInfo(virsh, domain),
    persistentXml(virsh, domain),
    domainBlockSizes(virsh, domain),
  ]);
  const running = state === "running";
  const description = describeDomain(
    state === "shut off" ? inactive : await liveXml(virsh, domain),
  );
  return {
    domain,
    state,
    info,
    description,
    persistentXml: inactive,
    disks: selectDisks(description.disks, entry),
    sizes,
    agentProblem: !running
      ? undefined
      : description.agent
      ? await agentProblem(virsh, domain)
      : "no guest agent channel is configured",
  };
}
