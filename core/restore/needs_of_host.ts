import { type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import { quoted } from "../format/quoted.ts";
import { knownSecrets, neededSecrets } from "../libvirt/secrets.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { attribute, child, parseDomain } from "../libvirt/xml_element.ts";
import type { System } from "../sys/system.ts";
import type { RestorePlan } from "./plan.ts";

export interface NeedsContext {
  readonly system: Pick<System, "files">;
  readonly virsh: Virsh;
  readonly plan: Pick<RestorePlan, "xml" | "nvram" | "otherData" | "folder">;
}

/** Files that the VM does not start without; one that the backup keeps is there to be copied. */
export async function bootFiles({ system, plan }: NeedsContext): Promise<CheckVerdict> {
  const os = child(parseDomain(plan.xml), "os");
  const nvram = child(os, "nvram");
  const named = [
    ...["loader", "kernel", "initrd", "dtb"].map((name) => child(os, name)?.text.trim()),
    plan.nvram === undefined && nvram ? attribute(nvram, "template") : undefined,
  ].filter((path) => path !== undefined && path.startsWith("/"));
  const kept = new Map(
    plan.otherData.filter(({ use, source }) => use === "boot" && plan.xml.includes(source))
      .map(({ source, file }) => [source, file]),
  );
  const paths = [...new Set([...named, ...kept.keys()])].filter((path) => path !== undefined);
  const missing: string[] = [];
  for (const path of paths) {
    if (await system.files.inspectTarget(path) === undefined) missing.push(path);
  }
  if (missing.length === 0) {
    return passed(paths.map((path) => quoted(path)).join(", ") || "none needed");
  }
  const copies = missing.flatMap((path) => {
    const file = kept.get(path);
    return file ? [`${quoted(path)} is ${quoted(`${plan.folder}/${file}`)}`] : [];
  });
  return failed(
    `not on this hypervisor: ${missing.map((path) => quoted(path)).join(", ")}`,
    copies.length > 0
      ? `The backup keeps them, look at them and copy them there: ${copies.join(", ")}`
      : "Install the firmware (edk2-ovmf, ovmf), or copy the file from where the VM ran",
  );
}

/** Manifest and definition must agree: a disk that is restored and not attached would be missed by nobody. */
export function capturedDisks(
  { plan }: {
    readonly plan: { readonly xml: string; readonly disks: readonly { disk: string }[] };
  },
): CheckVerdict {
  const attached = describeDomain(plan.xml).disks.map(({ target }) => target);
  const missing = plan.disks.map(({ disk }) => disk).filter((disk) => !attached.includes(disk));
  return missing.length === 0 ? passed("all are attached") : failed(
    `disk ${missing.join(", ")} of the backup is in none of its definitions`,
    "Restore another backup; or this one by hand, as docs/05-restore.md says",
  );
}

/** What the VM kept outside of its disks is in no backup. */
export function otherData({ plan }: NeedsContext): CheckVerdict {
  const lost = plan.otherData.filter(({ use, file }) => use === "data" || use === "boot" && !file);
  if (lost.length === 0) return passed("nothing was left out");
  return warned(
    `not in the backup: ${lost.map(({ kind, source }) => `${kind} ${quoted(source)}`).join(", ")}`,
    "Bring it back by other means, or take it out of the definition",
  );
}

/** The values of secrets are in no backup. */
export async function secrets({ virsh, plan }: NeedsContext): Promise<CheckVerdict> {
  const needed = neededSecrets(plan.xml);
  if (needed.length === 0) return passed("none needed");
  const known = await knownSecrets(virsh);
  const missing = needed.filter(({ name }) => known !== undefined && !known.has(name));
  const shown = (list: typeof needed) =>
    list.map((secret) => `${quoted(secret.name)} (${secret.for})`).join(", ");
  if (missing.length === 0) return passed(shown(needed));
  return warned(
    `libvirt here does not have the secret ${shown(missing)}`,
    "Define it with the value that it had (virsh secret-define, secret-set-value): the VM does not start without it",
  );
}
