import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Manifest } from "../../core/repository/manifest.ts";
import type { RestoreOutcome } from "../../core/restore/run.ts";
import { copyFrom } from "../core/copy/copying.ts";
import { startQemuNbd, temporaryFolder } from "../core/nbd/servers.ts";
import { createGuest, type Guest, type GuestOptions } from "../lab/guest.ts";
import type { HypervisorKind } from "../lab/hypervisor.ts";
import type { Lab } from "../lab/lab.ts";
import { program } from "./program.ts";
import { assertEnded, hypervisorName, names, openSite, type Site } from "./site.ts";

/** A site with a folder for restored images. */
export interface RestoreSite extends Site {
  readonly images: string;
  readonly configFolder: string;
}

export async function openRestoreSite(lab: Lab, kind?: HypervisorKind): Promise<RestoreSite> {
  const site = await openSite(lab, kind === undefined ? {} : { kind });
  const images = `${site.root.slice(0, site.root.lastIndexOf("/"))}/images`;
  await Deno.mkdir(images);
  await Deno.chmod(images, 0o711);
  await site.configure({ IMAGE_DIR: images });
  return { ...site, images, configFolder: images.replace(/images$/, "config") };
}

export interface BackedUp {
  readonly guest: Guest;
  readonly manifest: Manifest;
  readonly folder: string;
}

/** Makes a guest, lets it work, and backs it up meanwhile; `shut-off` guests are shut down before. */
export async function backUpGuest(
  site: Site,
  options: GuestOptions,
  furnish: (guest: Guest) => Promise<void> = () => Promise.resolve(),
): Promise<BackedUp> {
  const guest = await createGuest(site.hypervisor, { dataMiB: 8, ...options });
  await furnish(guest);
  await guest.start();
  await guest.waitForConsole(/VMB-HEARTBEAT 2/);
  if (guest.kind !== "no-agent") await guest.waitForAgent();
  if (guest.kind === "shut-off") await guest.shutdown();
  await site.listVms([{ name: guest.name, hypervisor: hypervisorName, agent: "fallback" }]);
  const ended = await site.vmb("hv", "backup", guest.name, "--json");
  assertEnded(ended, 0);
  return { guest, ...JSON.parse(ended.stdout) };
}

/** The disaster: the domain is gone, and its disks and variables with it. */
export async function loseGuest(site: Site, guest: Guest): Promise<void> {
  await guest.destroy();
  await site.hypervisor.virsh("undefine", "--domain", guest.name, "--nvram");
  for (const { path } of guest.disks) await Deno.remove(path);
}

/** Guests of the lab boot a kernel of the machine and write their console to a file of it. */
export const trusting = "--trust-definition";

export async function restore(
  site: Site,
  ...args: readonly string[]
): Promise<RestoreOutcome> {
  const ended = await site.vmb("hv", "restore", ...args, trusting, "--json");
  assertEnded(ended, 0);
  return JSON.parse(ended.stdout);
}

/** Asserts that every restored disk holds what was frozen, by the digest of its content. */
export async function assertContent(
  { disks }: Pick<RestoreOutcome, "disks">,
  manifest: Manifest,
): Promise<void> {
  assert.deepEqual(disks.map(({ target }) => target), manifest.disks.map(({ target }) => target));
  for (const { target, path } of disks) {
    const format = path.endsWith(".raw") ? "raw" : "qcow2";
    await using folder = await temporaryFolder();
    await using server = await startQemuNbd(`--format=${format}`, path);
    const wanted = manifest.disks.find((disk) => disk.target === target);
    assert.ok(wanted);
    const { contentDigest } = await copyFrom(server, folder.path, { seed: wanted.digest.seed });
    assert.equal(contentDigest, wanted.contentDigest, `content of ${target}`);
  }
}

/** SHA-256 of files, by path. */
export async function hashes(paths: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of paths) {
    found[path] = (await program("sha256sum", "--", path)).split(" ")[0] ?? "";
  }
  return found;
}

/** Asserts that no run left a journal, a staging folder or a half-written file. */
export async function assertNothingLeft(site: RestoreSite): Promise<void> {
  // An empty lock file may outlive a journal; it says nothing.
  const journals = (await names(`${site.state}/journal`)).filter((name) => !name.endsWith(".lock"));
  assert.deepEqual(journals, [], "a journal is left");
  assert.deepEqual(await names(`${site.state}/runs`), [], "staging files are left");
  const half = (await names(site.images)).filter((name) => name.endsWith(".vmb-restoring"));
  assert.deepEqual(half, [], "half-written files are left");
}

/** Changes the XML that a backup holds, and whatever vouches for it: as if it had been made of such a VM. */
export async function forgeXml(
  { folder, guest }: BackedUp,
  change: (xml: string) => string,
): Promise<() => Promise<void>> {
  const name = `${guest.name}.xml`;
  const paths = [name, "backup-metadata.json", "checksums.sha256"].map((file) =>
    `${folder}/${file}`
  );
  const [xml = "", metadata = "", checksums = ""] = await Promise.all(
    paths.map((path) => Deno.readTextFile(path)),
  );
  const forged = change(xml);
  assert.notEqual(forged, xml, "the change changes something");
  const [before, after] = [xml, forged].map((text) =>
    createHash("sha256").update(text).digest("hex")
  );
  const manifest = JSON.parse(metadata) as Manifest;
  const size = new TextEncoder().encode(forged).length;
  const files = manifest.files.map((file) =>
    file.name === name ? { ...file, size, sha256: after } : file
  );
  const write = async (texts: readonly string[]) => {
    for (const [index, path] of paths.entries()) await Deno.writeTextFile(path, texts[index] ?? "");
  };
  await write([
    forged,
    JSON.stringify({ ...manifest, files }),
    checksums.replace(before ?? "", after ?? ""),
  ]);
  return () => write([xml, metadata, checksums]);
}
