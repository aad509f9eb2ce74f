import type { VmEntry } from "../config/vm_list.ts";
import { agentProblem } from "../libvirt/agent.ts";
import { domainBlockSizes, type DomainInfo, domainInfo } from "../libvirt/domain_info.ts";
import {
  type Domain,
  type DomainState,
  domainState,
  findDomain,
  liveXml,
  persistentXml,
} from "../libvirt/domain.ts";
import { type DiskParts, diskParts } from "../libvirt/disk_parts.ts";
import { describeDomain, type DomainDescription, type DomainDisk } from "../libvirt/domain_xml.ts";
import { type OtherData, otherData } from "../libvirt/other_data.ts";
import { type NeededSecret, neededSecrets } from "../libvirt/secrets.ts";
import { volumePath } from "../libvirt/volume.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";
import { definitionDifferences } from "./definitions.ts";
import { type DiskSelection, selectDisks } from "./disk_policy.ts";
import { earlyCloseDanger } from "./early_close.ts";
import { type ImageFacts, imageFacts, networkFacts, problemFacts } from "./image_facts.ts";

/** A disk that a backup takes, and what was found of its image. */
export interface SurveyedDisk extends DomainDisk {
  readonly parts: DiskParts;
  readonly image: ImageFacts;
  /** The XML puts other images below it than its own header does. */
  readonly otherChain: boolean;
}

/** What is known of a domain before its backup; finding it out changes nothing. */
export interface Survey {
  readonly domain: Domain;
  readonly state: DomainState;
  readonly info: DomainInfo;
  /** As it runs now, or as it would start. */
  readonly description: DomainDescription;
  /** With its secrets. */
  readonly persistentXml: string;
  /** With its secrets; `undefined` when it is shut off. */
  readonly liveXml: string | undefined;
  /** What the running domain has otherwise than its definition. */
  readonly differences: readonly string[];
  /** What it uses that is no disk; a backup keeps some of it. */
  readonly otherData: readonly OtherData[];
  readonly secrets: readonly NeededSecret[];
  readonly disks: DiskSelection<SurveyedDisk>;
  /** Why the guest agent cannot freeze the guest; `undefined` when it can, or when the domain does not run. */
  readonly agentProblem: string | undefined;
  /** Why a backup job that is cut off may end the domain; `undefined` when it does no harm. */
  readonly earlyClose: string | undefined;
}

/** @throws {VmbError} `libvirt.no-domain`, `libvirt.connect` */
export async function surveyDomain(
  system: Pick<System, "clock" | "files" | "host" | "processes">,
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
  const live = state === "shut off" ? undefined : await liveXml(virsh, domain, { secrets: true });
  const xml = live ?? inactive;
  const description = describeDomain(xml);
  const selection = selectDisks(description.disks, entry, scratchDir);
  const parts = diskParts(xml);
  const targets = selection.chosen.map(({ target }) => target);
  const [chosen, silence, earlyClose] = await Promise.all([
    Promise.all(selection.chosen.map(async (disk): Promise<SurveyedDisk> => {
      const its = parts.get(disk.target);
      if (its === undefined) throw new Error(`disk ${disk.target} has no parts`);
      const found = await lookAtImage({ system, virsh, domain }, disk, its);
      return { ...disk, ...found, parts: its, otherChain: await differs(system, its, found.image) };
    })),
    state !== "running"
      ? undefined
      : description.agent
      ? agentProblem({ virsh, clock: system.clock }, domain)
      : "no guest agent channel is configured",
    state === "running"
      ? earlyCloseDanger(system, virsh, { domain, liveXml: xml, targets })
      : undefined,
  ]);
  return {
    domain,
    state,
    info,
    description,
    persistentXml: inactive,
    liveXml: live,
    differences: live === undefined ? [] : definitionDifferences(inactive, live),
    otherData: otherData(xml),
    secrets: neededSecrets(xml),
    disks: { ...selection, chosen },
    agentProblem: silence,
    earlyClose,
  };
}

/** Finds the file of a disk, wherever it lies, and asks it. */
async function lookAtImage(
  { system, virsh, domain }: {
    readonly system: Pick<System, "files" | "processes">;
    readonly virsh: Virsh;
    readonly domain: Domain;
  },
  disk: DomainDisk,
  { volume }: DiskParts,
): Promise<{ readonly source: string | undefined; readonly image: ImageFacts }> {
  let { source } = disk;
  if (volume !== undefined) {
    const found = await volumePath(virsh, volume);
    if ("problem" in found) return { source, image: problemFacts(found.problem) };
    source = found.path;
  }
  if (source?.startsWith("/")) {
    const image = await imageFacts(system, { path: source, format: disk.format });
    if (image.unreadable === undefined) return { source, image };
    const { capacity, allocation } = await sizesFromLibvirt();
    return { source, image: { ...image, capacity, needed: Math.min(allocation, capacity) } };
  }
  return { source: undefined, image: networkFacts((await sizesFromLibvirt()).capacity) };

  async function sizesFromLibvirt() {
    return await domainBlockSizes(virsh, domain, disk.target) ?? { capacity: 0, allocation: 0 };
  }
}

async function differs(
  { files }: Pick<System, "files">,
  { statedChain }: DiskParts,
  { backing }: ImageFacts,
): Promise<boolean> {
  if (statedChain === undefined) return false;
  const resolve = (paths: readonly string[]) =>
    Promise.all(paths.map((path) => files.realPath(path).catch(() => path)));
  const [stated, found] = await Promise.all([
    resolve(statedChain),
    resolve(backing.map(({ source }) => source)),
  ]);
  return stated.join("\0") !== found.join("\0");
}
