import { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { type Domain, domainState, listDomains, persistentXml } from "../libvirt/domain.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { RestoreStep } from "../journal/journal_entry.ts";
import type { Files } from "../sys/files.ts";
import type { System } from "../sys/system.ts";

/**
 * Undoes the steps of a restore that did not end, the last one first. It may be killed, and called again.
 *
 * A domain that someone has started meanwhile is left alone, with its files: it is in use.
 *
 * @returns `adopted` when there is such a domain, else `undone`
 * @throws {VmbError} `restore.undo` when a file is in the way that is not ours
 */
export async function undoRestoreSteps(
  system: Pick<System, "files">,
  virsh: Virsh,
  steps: readonly RestoreStep[],
  report: Report,
): Promise<"undone" | "adopted"> {
  for (const step of steps.toReversed()) {
    switch (step.step) {
      case "restore-domain":
        if (await undoDomain(virsh, step, steps, report) === "adopted") return "adopted";
        break;
      case "set-aside":
        await moveBack(system.files, step);
        break;
      case "restore-file":
        if (await isOurs(system.files, step)) {
          await system.files.remove(step.path);
          report({ kind: "info", text: `Removed "${step.path}", which was not whole` });
        }
    }
  }
  return "undone";
}

async function undoDomain(
  virsh: Virsh,
  { uuid, name, previous }: Extract<RestoreStep, { step: "restore-domain" }>,
  steps: readonly RestoreStep[],
  report: Report,
): Promise<"undone" | "adopted"> {
  const domain: Domain = { uuid, name };
  const state = await domainState(virsh, domain);
  const isRestored = state !== undefined && await worksOn(virsh, domain, steps);
  if (isRestored && state !== "shut off") {
    report({
      kind: "warning",
      text: `"${name}" is ${state}: its restore did not end, but it is left as it is`,
      hint: "Compare its disks with the backup before you rely on it",
    });
    return "adopted";
  }
  if (isRestored) await undefine(virsh, domain);
  if (previous === null) return "undone";
  const known = await listDomains(virsh);
  if (!known.some((other) => other.uuid === previous.uuid)) {
    await virsh.run(["define", "--file", previous.xmlFile]);
    report({ kind: "info", text: `Defined "${name}" again as it was` });
  }
  await virsh.run(["autostart", previous.uuid, ...previous.autostart ? [] : ["--disable"]]);
  return "undone";
}

/** Undefines a domain; its variable store and the state of its TPM are files that are dealt with as such. */
export async function undefine(virsh: Virsh, domain: Domain): Promise<void> {
  await virsh.run(["undefine", "--domain", domain.uuid, "--keep-nvram", "--keep-tpm"]);
}

/** Whether a domain is the one that was being restored, and not one that someone defined in its place. */
async function worksOn(
  virsh: Virsh,
  domain: Domain,
  steps: readonly RestoreStep[],
): Promise<boolean> {
  const { disks } = describeDomain(await persistentXml(virsh, domain));
  const ours = new Set(steps.flatMap((step) => step.step === "restore-file" ? [step.path] : []));
  return disks.some(({ source }) => source !== undefined && ours.has(source));
}

/** Puts back what was set aside; it is not there when it never was, or when it is back already. */
async function moveBack(
  files: Files,
  { from, to }: Extract<RestoreStep, { step: "set-aside" }>,
): Promise<void> {
  if (await files.inspect(to) === undefined) return;
  if (await files.inspect(from) !== undefined) {
    throw new VmbError(`"${to}" cannot go back to "${from}": another file is there`, {
      code: "restore.undo",
      hint: "Move one of them away, then run: vmb hv recover",
    });
  }
  await files.rename(to, from);
  await files.syncFolder(from.slice(0, from.lastIndexOf("/")) || "/");
}

async function isOurs(
  files: Files,
  { path, inode }: Extract<RestoreStep, { step: "restore-file" }>,
): Promise<boolean> {
  const present = await files.inspect(path);
  return present !== undefined && (inode === null || present.inode === inode);
}
