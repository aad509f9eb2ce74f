import type { Settings } from "../config/settings.ts";
import { toVmbError } from "../error.ts";
import {
  type Domain,
  type DomainState,
  domainStateReason,
  liveXml,
  persistentXml,
} from "../libvirt/domain.ts";
import { diskParts } from "../libvirt/disk_parts.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import { runStates } from "../journal/run_states.ts";
import { freezeStatus } from "../libvirt/agent.ts";
import { isBackupIn, runningBackupXml } from "../libvirt/backup_job.ts";
import { lastWords, qemuLogPath, readQemuLog } from "../libvirt/qemu_log.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { StoredBackup } from "../repository/backups.ts";
import { readChecksums } from "../repository/checksums.ts";
import { checksumsName } from "../repository/layout.ts";
import type { Files } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { type Check, type CheckVerdict, failed, passed, warned } from "./check.ts";

export interface PostBackupContext {
  readonly system: Pick<System, "files" | "host" | "processes">;
  /** The door to the share. */
  readonly share: Files;
  readonly virsh: Virsh;
  readonly domain: Domain;
  readonly backup: StoredBackup;
  /** Where overlays and scratch files of any run lie, and the journals of those that live. */
  readonly settings: Pick<Settings, "scratchDir" | "stateDir">;
}

/** All that must be so after a backup: of the VM first, then of what was written. */
export function postBackupChecks(context: PostBackupContext): readonly Check[] {
  const { backup, virsh, domain } = context;
  let asked: ReturnType<typeof domainStateReason> | undefined;
  const now = () => asked ??= domainStateReason(virsh, domain);
  const state = async () => (await now())?.state;
  return [
    { name: "vm-running", run: async () => await vmRunning(context, await now()) },
    { name: "vm-thawed", run: async () => await vmThawed(context, await state()) },
    { name: "vm-own-disks", run: async () => await vmOwnDisks(context, await state()) },
    { name: "no-leftovers", run: () => noLeftovers(context) },
    {
      name: "metadata",
      run: () =>
        backup.manifest ? passed("present and valid") : failed(backup.problem ?? "missing"),
    },
    { name: "files", run: () => filesPresent(context) },
    {
      name: "sha256",
      run: () =>
        backup.manifest?.readBack
          ? passed("every image was read back, cache dropped, and is what was sent")
          : warned("images were not read back", `Run: vmb hv verify "${backup.address.vm}"`),
    },
    { name: "domain-xml", run: () => domainXml(context) },
  ];
}

async function vmRunning(
  { backup, system, virsh, domain }: PostBackupContext,
  now: Awaited<ReturnType<typeof domainStateReason>>,
): Promise<CheckVerdict> {
  const state = now?.state;
  const wanted = backup.manifest?.method === "offline" ? "shut off" : "running";
  if (wanted === "running" && (state === "crashed" || now?.reason === "crashed")) {
    const words = lastWords(await readQemuLog(system, virsh.uri, domain)).join(" | ");
    return failed(
      `the VM crashed${words && `: ${words}`}`,
      `Read ${qemuLogPath(system.host, virsh.uri, domain)}, and start the VM`,
    );
  }
  if (state === wanted) return passed(state);
  return warned(
    `the VM is ${state ?? "unknown to libvirt"}, and was ${wanted} at the captured instant`,
    "Someone stopped or started it: look at its log",
  );
}

async function vmThawed(
  { virsh, domain, backup }: PostBackupContext,
  state: DomainState | undefined,
): Promise<CheckVerdict> {
  if (backup.manifest?.frozenMs == null) return { outcome: "skipped", detail: "it was not frozen" };
  if (state !== "running") return { outcome: "skipped", detail: "it does not run" };
  const status = await freezeStatus(virsh, domain, 10).catch(toVmbError);
  if (status === "thawed") return passed("the agent answers, nothing is frozen");
  return failed(
    status === "frozen" ? "file systems are still frozen" : status.message,
    `Run: virsh domfsthaw ${domain.uuid}`,
  );
}

async function vmOwnDisks(
  context: PostBackupContext,
  state: DomainState | undefined,
): Promise<CheckVerdict> {
  const { virsh, domain, backup, settings: { scratchDir } } = context;
  const [persistent, live, job] = await Promise.all([
    persistentXml(virsh, domain),
    state === "running" ? liveXml(virsh, domain) : undefined,
    state === "running" ? runningBackupXml(virsh, domain) : undefined,
  ]);
  // What the definition named already when the backup began is its own disk too.
  const defined = diskParts(await readXml(context, "domain-xml") ?? "<domain/>");
  for (const xml of [persistent, ...live === undefined ? [] : [live]]) {
    const parts = diskParts(xml);
    for (const { target, mirror } of describeDomain(xml).disks) {
      const captured = backup.manifest?.disks.find((disk) => disk.target === target)?.source;
      if (captured === undefined) continue;
      const place = parts.get(target)?.place ?? "";
      const isOwn = place === captured || place === defined.get(target)?.place;
      if (isOwn && mirror === undefined) continue;
      return failed(
        `disk ${target} is on "${place}", not on "${captured}"`,
        "Run: vmb hv recover",
      );
    }
  }
  if (job !== undefined && isBackupIn(job, scratchDir)) {
    return failed("our backup job still runs", "Run: vmb hv recover");
  }
  return passed("every disk is on its own image, no job runs");
}

/** The journals tell which folders are in use: other runs may live, and somebody may have kept a test copy. */
async function noLeftovers(
  { system: { files }, backup, settings: { scratchDir, stateDir } }: PostBackupContext,
): Promise<CheckVerdict> {
  const listed = await files.list(scratchDir);
  const inUse = (await runStates(files, stateDir)).filter(({ state }) => state !== "killed")
    .map(({ run }) => run);
  // What the run that made this backup needed, it has removed.
  const left = listed.filter((name) => !inUse.includes(name) || name === backup.manifest?.runId);
  const still: string[] = [];
  for (const name of left) {
    // A run may have ended meanwhile, with its folder.
    if (await files.inspect(`${scratchDir}/${name}`) !== undefined) still.push(name);
  }
  return still.length === 0
    ? passed("no overlay, scratch file or socket")
    : warned(`left in "${scratchDir}": ${still.join(", ")}`, "Run: vmb hv recover");
}

async function filesPresent({ share, backup }: PostBackupContext): Promise<CheckVerdict> {
  const path = `${backup.folder}/${checksumsName}`;
  const checksums = readChecksums(await share.readText(path), path);
  const sizes = new Map(backup.manifest?.files.map(({ name, size }) => [name, size]));
  let bytes = 0;
  for (const { name } of checksums) {
    const info = await share.inspect(`${backup.folder}/${name}`);
    if (info === undefined) return failed(`"${name}" is missing`);
    const expected = sizes.get(name);
    if (expected !== undefined && expected !== info.size) {
      return failed(`"${name}" has ${info.size} bytes, not ${expected}`);
    }
    if (info.size === 0 && expected !== 0) return failed(`"${name}" is empty`);
    bytes += info.size;
  }
  return passed(`${checksums.length + 1} files, ${bytes} bytes`);
}

async function domainXml(context: PostBackupContext): Promise<CheckVerdict> {
  const { manifest } = context.backup;
  const xml = await readXml(context, "domain-xml");
  if (manifest === undefined || xml === undefined) return failed("the domain XML is missing");
  const description = describeDomain(xml);
  if (description.uuid !== manifest.vm.uuid) {
    return failed(`the domain XML has the UUID "${description.uuid}", not "${manifest.vm.uuid}"`);
  }
  const live = await readXml(context, "live-xml");
  const views = [xml, ...live === undefined ? [] : [live]].map(diskParts);
  const onlyLive: string[] = [];
  for (const { target, source } of manifest.disks) {
    const places = views.map((parts) => parts.get(target)?.place);
    if (!places.includes(source)) {
      return failed(`the domain XML has disk ${target} at "${places[0]}", not at "${source}"`);
    }
    if (places[0] !== source) onlyLive.push(target);
  }
  const macless = description.interfaces.findIndex(({ mac }) => mac === undefined);
  if (macless >= 0) return failed(`interface ${macless + 1} of the domain XML has no MAC address`);
  const nvramFile = manifest.files.some(({ role }) => role === "nvram");
  const isAbsent = manifest.absent?.includes("nvram") ?? false;
  if (description.nvram !== undefined && !nvramFile && !isAbsent) {
    return failed("the UEFI variable store is missing");
  }
  return passed([
    `well-formed: ${description.disks.length} disks, ${description.interfaces.length} interfaces`,
    ...(nvramFile ? ["nvram"] : isAbsent ? ["no nvram yet"] : []),
    ...(onlyLive.length > 0 ? [`${onlyLive.join(", ")} as the running VM had it`] : []),
  ].join(", "));
}

async function readXml(
  { share, backup: { manifest, folder } }: PostBackupContext,
  role: "domain-xml" | "live-xml",
): Promise<string | undefined> {
  const file = manifest?.files.find((candidate) => candidate.role === role);
  return file && await share.readText(`${folder}/${file.name}`);
}
