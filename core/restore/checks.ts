import { type Check, type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import { formatBytes } from "../format/bytes.ts";
import { quoted } from "../format/quoted.ts";
import { domainInfo, domainMoments } from "../libvirt/domain_info.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { attribute, child, children, parseDomain } from "../libvirt/xml_element.ts";
import type { System } from "../sys/system.ts";
import type { HostFacts } from "./host_facts.ts";
import { isolatedNetworkName } from "./isolated_network.ts";
import { machineVerdict } from "./machine_check.ts";
import { bootFiles, capturedDisks, otherData, secrets } from "./needs_of_host.ts";
import type { RestorePlan } from "./plan.ts";
import { restoringPath } from "./place.ts";

export interface RestoreCheckContext {
  readonly system: Pick<System, "files">;
  readonly virsh: Virsh;
  readonly facts: HostFacts;
  readonly plan: RestorePlan;
}

/** All that must be so before a restore writes anything. */
export function restoreChecks(context: RestoreCheckContext): readonly Check[] {
  return [
    { name: "domain", run: () => domainVerdict(context) },
    { name: "definition", run: () => definition(context) },
    { name: "target-files", run: () => targetFiles(context) },
    { name: "space", run: () => space(context) },
    { name: "mac-addresses", run: () => macAddresses(context) },
    { name: "networks", run: () => networks(context) },
    { name: "pools", run: () => pools(context) },
    { name: "machine", run: () => machineVerdict(context) },
    { name: "boot-files", run: () => bootFiles(context) },
    { name: "other-disks", run: () => otherDisks(context) },
    { name: "captured-disks", run: () => capturedDisks(context) },
    { name: "other-data", run: () => otherData(context) },
    { name: "secrets", run: () => secrets(context) },
  ];
}

async function domainVerdict({ virsh, facts, plan }: RestoreCheckContext): Promise<CheckVerdict> {
  const others = facts.domains.filter(({ uuid }) => uuid !== plan.replaces?.uuid);
  const sameUuid = others.find(({ uuid }) => uuid === plan.uuid);
  const sameName = others.find(({ name }) => name === plan.name);
  const taken = sameUuid ?? sameName;
  if (taken !== undefined) {
    const what = sameUuid === undefined
      ? `a VM "${taken.name}" of another UUID is there, ${taken.state}`
      : `"${taken.name}" is there, with this UUID, ${taken.state}`;
    return failed(
      what,
      plan.mode === "clone"
        ? "Give another --name"
        : plan.mode === "replace"
        ? "Name and UUID belong to two VMs: rename or remove one of them (virsh domrename)"
        : "Restore beside it with --name NEW, or in its place with --replace",
    );
  }
  const replaced = facts.domains.find(({ uuid }) => uuid === plan.replaces?.uuid);
  if (replaced === undefined) return passed(`no VM "${plan.name}" is there`);
  if (replaced.state !== "shut off") {
    return failed(
      `"${replaced.name}" is to be replaced, and is ${replaced.state}`,
      `Shut it down first: virsh shutdown ${replaced.uuid}`,
    );
  }
  const [{ snapshots, checkpoints }, { managedSave }] = await Promise.all([
    domainMoments(virsh, replaced),
    domainInfo(virsh, replaced),
  ]);
  const held = [
    ...snapshots.map((name) => `snapshot ${name}`),
    ...checkpoints.map((name) => `checkpoint ${name}`),
    ...(managedSave ? ["a saved memory image"] : []),
  ];
  if (held.length > 0) {
    return failed(
      `"${replaced.name}" is to be replaced, and has ${held.join(", ")}`,
      "They would not fit the restored disks: remove them, or restore with --name",
    );
  }
  return passed(`"${replaced.name}" is shut off, and is replaced`);
}

/** What is known of the share is that many can write there. */
function definition({ plan }: RestoreCheckContext): CheckVerdict {
  const { hostTies, leftOut, mode, trustDefinition } = plan;
  const ties = `the definition would use of this hypervisor: ${list(hostTies)}`;
  if (hostTies.length > 0 && !trustDefinition) {
    return failed(
      ties,
      mode === "clone"
        ? "The clone would not start without it. If you know it, repeat with --trust-definition"
        : "Look at it with --dry-run. If all of it is meant: --trust-definition; a clone (--name) takes none of it",
    );
  }
  const trusted = hostTies.length > 0 ? [`as trusted, ${ties}`] : [];
  if (leftOut.length > 0) return warned([...trusted, `left out: ${list(leftOut)}`].join("; "));
  if (trusted.length > 0) return passed(trusted.join());
  return passed("nothing of this hypervisor but its networks, processors and memory");
}

function list(phrases: readonly string[]): string {
  return phrases.map((phrase) => quoted(phrase, 120)).join(", ");
}

async function targetFiles({ system, facts, plan }: RestoreCheckContext): Promise<CheckVerdict> {
  const paths = [...plan.disks.map(({ path }) => path), plan.nvram, plan.tpm]
    .filter((path) => path !== undefined);
  const aside = new Set(plan.setAside.map(({ from }) => from));
  const problems: string[] = [];
  for (const [index, path] of paths.entries()) {
    if (paths.indexOf(path) !== index) problems.push(`"${path}" is wanted twice`);
    if (!aside.has(path) && await system.files.inspect(path)) {
      problems.push(`"${path}" is there already`);
    }
    const half = restoringPath(path);
    if (await system.files.inspect(half)) problems.push(`"${half}" is there already`);
  }
  for (const { name, uuid, description } of facts.domains) {
    if (uuid === plan.replaces?.uuid) continue;
    const used = new Set([...description.disks.map(({ source }) => source), description.nvram]);
    for (const path of paths) {
      if (used.has(path)) problems.push(`"${path}" belongs to the VM "${name}"`);
    }
  }
  if (problems.length === 0) return passed(`${paths.length} to write, none in the way`);
  return failed(
    problems.join("; "),
    "Move them away, choose --image-dir; or --replace the VM that they belong to",
  );
}

async function space({ system, plan }: RestoreCheckContext): Promise<CheckVerdict> {
  const folders = new Map<string, number>();
  for (const { path, bytes } of plan.disks) {
    const folder = folderOf(path);
    folders.set(folder, (folders.get(folder) ?? 0) + bytes);
  }
  const devices = new Map<number, { folder: string; bytes: number }>();
  for (const [folder, bytes] of folders) {
    const info = await system.files.inspectTarget(folder);
    if (info?.kind !== "directory") {
      return failed(`there is no folder "${folder}"`, `Make it, or choose --image-dir`);
    }
    const other = devices.get(info.device);
    devices.set(info.device, {
      folder: other?.folder ?? folder,
      bytes: bytes + (other?.bytes ?? 0),
    });
  }
  const problems: string[] = [];
  const found: string[] = [];
  for (const { folder, bytes } of devices.values()) {
    const { free } = await system.files.space(folder);
    const text = `${formatBytes(bytes)} wanted, ${formatBytes(free)} free at "${folder}"`;
    (free < bytes ? problems : found).push(text);
  }
  if (problems.length === 0) return passed(found.join("; "));
  return failed(problems.join("; "), "Make room there, or choose another folder with --image-dir");
}

function macAddresses({ facts, plan }: RestoreCheckContext): CheckVerdict {
  const macs = describeDomain(plan.xml).interfaces.flatMap(({ mac }) => mac ?? []);
  const taken = facts.domains.filter(({ uuid }) => uuid !== plan.replaces?.uuid)
    .flatMap(({ name, description }) =>
      description.interfaces.filter(({ mac }) => mac !== undefined && macs.includes(mac))
        .map(({ mac }) => `${mac} is that of "${name}"`)
    );
  if (taken.length === 0) return passed(macs.join(", ") || "no interfaces");
  return failed(
    taken.join("; "),
    "Restore with --name, which gives new addresses, or with --network none",
  );
}

async function networks({ system, facts, plan }: RestoreCheckContext): Promise<CheckVerdict> {
  const problems: string[] = [];
  const found = new Set<string>();
  for (const { type, source } of describeDomain(plan.xml).interfaces) {
    if (source === undefined || source === isolatedNetworkName) continue;
    found.add(source);
    if (type === "network") {
      const active = facts.networks.get(source);
      if (active === undefined) problems.push(`there is no network "${source}"`);
      if (active === false) problems.push(`network "${source}" is not active`);
    } else if (type === "bridge" || type === "direct") {
      if (await system.files.inspectTarget(`/sys/class/net/${source}`) === undefined) {
        problems.push(`there is no ${type === "bridge" ? "bridge" : "device"} "${source}"`);
      }
    }
  }
  if (problems.length === 0) return passed([...found].join(", ") || "none needed");
  return failed(
    [...new Set(problems)].join("; "),
    "Start it (virsh net-start), or choose --network none, link-down, isolated or another name",
  );
}

function pools({ facts, plan }: RestoreCheckContext): CheckVerdict {
  const devices = child(parseDomain(plan.xml), "devices");
  const wanted = (devices ? children(devices, "disk") : [])
    .flatMap((disk) => attribute(child(disk, "source"), "pool") ?? []);
  const missing = wanted.filter((pool) => !facts.pools.has(pool));
  if (missing.length === 0) return passed(wanted.join(", ") || "none needed");
  return failed(
    `there is no storage pool ${missing.map((pool) => `"${pool}"`).join(", ")}`,
    "A disk that was left out of the backup lies there: define the pool first (virsh pool-define)",
  );
}

/** Files of this hypervisor that the VM boots from; no backup has them. */
async function otherDisks({ system, plan }: RestoreCheckContext): Promise<CheckVerdict> {
  const restored = new Set(plan.disks.map(({ disk }) => disk));
  const missing: string[] = [];
  for (const { target, source } of describeDomain(plan.xml).disks) {
    if (restored.has(target) || source === undefined) continue;
    if (await system.files.inspectTarget(source) === undefined) {
      missing.push(`disk ${target} wants "${source}", which is not here`);
    }
  }
  const emptied = plan.emptied.map((target) =>
    `drive ${target} is emptied: its medium is not here, or not below IMAGE_DIR`
  );
  if (missing.length === 0 && emptied.length === 0) return passed("all there");
  return warned(
    [...missing, ...emptied].join("; "),
    missing.length === 0
      ? undefined
      : "It was left out of the backup: the VM starts when it is there, or taken out of its XML",
  );
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
