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
 * Finds a domain by its name. The list is asked, because virsh itself takes a name of digits alone for the
 * run-time id of another domain.
 *
 * @throws {VmbError} `libvirt.no-domain` (exit 10) that names the closest domain there is
 */
export async function findDomain(virsh: Virsh, name: string): Promise<Domain> {
  const domains = await listDomains(virsh);
  const found = domains.find((domain) => domain.name === name);
  if (found !== undefined) return found;
  const near = closest(name, domains.map((domain) => domain.name));
  throw new VmbError(`No VM "${name}" in libvirt at ${virsh.uri}`, {
    code: "libvirt.no-domain",
    exit: exitCodes.notFound,
    hint: near === undefined
      ? `List the VMs with: virsh -c ${virsh.uri} list --all`
      : `Did you mean "${near}"?`,
  });
}

export async function listDomains(virsh: Virsh): Promise<readonly Domain[]> {
  const listing = await virsh.run(["list", "--all", "--uuid", "--name"]);
  return listing.split("\n").flatMap((line) => {
    const [, uuid, name] = /^([0-9a-f-]{36}) (.*?) *$/.exec(line) ?? [];
    return uuid === undefined || name === undefined ? [] : [{ name, uuid }];
  });
}

/**
 * State of a domain; `undefined` when libvirt no longer knows it (a transient domain that ended).
 *
 * @throws {VmbError} when libvirt does not answer: that says nothing of the domain
 */
export async function domainState(virsh: Virsh, domain: Domain): Promise<DomainState | undefined> {
  try {
    const state = await virsh.run(["domstate", domain.uuid], { timeoutMs: 30_000 });
    return state.trim() as DomainState;
  } catch (error) {
    if (error instanceof VmbError && error.code === "libvirt.no-domain") return undefined;
    throw error;
  }
}

/** The state of a domain and libvirt's reason for it: `shut off`, `crashed`; `undefined` as `domainState` says. */
export async function domainStateReason(
  virsh: Virsh,
  domain: Domain,
): Promise<{ readonly state: DomainState; readonly reason: string | undefined } | undefined> {
  try {
    const words = await virsh.run(["domstate", domain.uuid, "--reason"], { timeoutMs: 30_000 });
    const [, state, reason] = /^(.*?)(?: \((.*)\))?$/.exec(words.trim()) ?? [];
    return { state: state as DomainState, reason };
  } catch (error) {
    if (error instanceof VmbError && error.code === "libvirt.no-domain") return undefined;
    throw error;
  }
}

/** Run-time id of a domain: another number after each start; `undefined` while it is shut off. */
export async function domainRunId(virsh: Virsh, domain: Domain): Promise<string | undefined> {
  const id = (await virsh.run(["domid", domain.uuid])).trim();
  return /^\d+$/.test(id) ? id : undefined;
}

/** The XML of the running domain, with what libvirt filled in: backing chains, labels, block jobs. */
export function liveXml(
  virsh: Virsh,
  domain: Domain,
  { secrets = false }: { readonly secrets?: boolean } = {},
): Promise<string> {
  return virsh.run(["dumpxml", ...secrets ? ["--security-info"] : [], domain.uuid]);
}

/** The XML that the next start uses, with its secrets: what a backup keeps. */
export function persistentXml(virsh: Virsh, domain: Domain): Promise<string> {
  return virsh.run(["dumpxml", "--inactive", "--security-info", domain.uuid]);
}
