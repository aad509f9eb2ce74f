import { exitCodes, VmbError } from "../error.ts";
import { closest } from "../config/closest.ts";
import type { Virsh } from "./virsh.ts";

/** A domain as libvirt knows it; commands address it by UUID, which needs no quoting. */
export interface Domain {
  readonly name: string;
  readonly uuid: string;
}

/** libvirt's states, as `virsh domstate` words them. */
export type DomainState =
  | "running"
  | "paused"
  | "shut off"
  | "in shutdown"
  | "pmsuspended"
  | "crashed"
  | "idle"
  | "no state";

/**
 * Finds a domain by its name.
 *
 * @throws {VmbError} `libvirt.no-domain` (exit 10) that names the closest domain there is
 */
export async function findDomain(virsh: Virsh, name: string): Promise<Domain> {
  const completed = await virsh.attempt(["domuuid", `--domain=${name}`]);
  const uuid = completed.stdout.trim();
  if (completed.code === 0 && isUuid(uuid)) return { name, uuid };
  const names = await listDomains(virsh);
  const near = closest(name, names);
  throw new VmbError(`No VM "${name}" in libvirt at ${virsh.uri}`, {
    code: "libvirt.no-domain",
    exit: exitCodes.notFound,
    hint: near === undefined
      ? `List the VMs with: virsh -c ${virsh.uri} list --all`
      : `Did you mean "${near}"?`,
  });
}

export async function listDomains(virsh: Virsh): Promise<readonly string[]> {
  const listing = await virsh.run(["list", "--all", "--name"]);
  return listing.split("\n").filter((line) => line !== "");
}

/** State of a domain; `undefined` when libvirt no longer knows it (a transient domain that ended). */
export async function domainState(virsh: Virsh, domain: Domain): Promise<DomainState | undefined> {
  const completed = await virsh.attempt(["domstate", domain.uuid], { timeoutMs: 30_000 });
  return completed.code === 0 ? completed.stdout.trim() as DomainState : undefined;
}

/** Run-time id of a domain: another number after each start; `undefined` while it is shut off. */
export async function domainRunId(virsh: Virsh, domain: Domain): Promise<string | undefined> {
  const id = (await virsh.run(["domid", domain.uuid])).trim();
  return /^\d+$/.test(id) ? id : undefined;
}

/** The XML of the running domain, with what libvirt filled in: backing chains, labels, block jobs. */
export function liveXml(virsh: Virsh, domain: Domain): Promise<string> {
  return virsh.run(["dumpxml", domain.uuid]);
}

/** The XML that the next start uses, with its secrets: what a backup keeps. */
export function persistentXml(virsh: Virsh, domain: Domain): Promise<string> {
  return virsh.run(["dumpxml", "--inactive", "--security-info", domain.uuid]);
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
