import assert from "node:assert/strict";
import type { Manifest } from "../../core/repository/manifest.ts";
import { createGuest, type Guest, type GuestOptions } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { whyNoLoop } from "../lab/loop.ts";
import { readRecords } from "../lab/records.ts";
import { waitFor } from "../lab/wait.ts";
import { program } from "./program.ts";
import {
  assertEnded,
  assertUndisturbed,
  hypervisorName,
  names,
  openSite,
  type Site,
} from "./site.ts";

interface Case {
  readonly title: string;
  readonly guest: GuestOptions;
  readonly method: "quiesce" | "snapshot" | "offline";
  readonly consistency: string;
  readonly ignore?: boolean;
}

const noLoop = await whyNoLoop();

const cases: readonly Case[] = [
  {
    title: "quiesce: one qcow2 disk, beside a cdrom and a read-only disk",
    guest: { name: "one 'disk' ü", kind: "one-disk", extraDisks: ["cdrom", "readonly"] },
    method: "quiesce",
    consistency: "filesystem",
  },
  {
    title: "quiesce: two disks, qcow2 and raw",
    guest: { name: "two", kind: "two-disks" },
    method: "quiesce",
    consistency: "filesystem",
  },
  {
    title: "snapshot: two disks, qcow2 and raw",
    guest: { name: "two-snapshot", kind: "two-disks" },
    method: "snapshot",
    consistency: "filesystem",
  },
  {
    title: "snapshot: no agent",
    guest: { name: "no-agent", kind: "no-agent" },
    method: "snapshot",
    consistency: "crash",
  },
  {
    title: "quiesce: UEFI with its variable store",
    guest: { name: "uefi", kind: "uefi" },
    method: "quiesce",
    consistency: "filesystem",
  },
  {
    title: "quiesce: a block device",
    guest: { name: "block", kind: "block" },
    method: "quiesce",
    consistency: "filesystem",
    ignore: noLoop !== undefined,
  },
  {
    title: "snapshot: a block device",
    guest: { name: "block-snapshot", kind: "block" },
    method: "snapshot",
    consistency: "filesystem",
    ignore: noLoop !== undefined,
  },
  {
    title: "offline: shut off after it has run",
    guest: { name: "off", kind: "one-disk" },
    method: "offline",
    consistency: "offline",
  },
];

for (const { title, guest: options, method, consistency, ignore = false } of cases) {
  Deno.test({
    name: `vmb hv backup makes a whole backup by ${title}`,
    ignore,
    async fn() {
      await using lab = await openLab();
      const site = await openSite(lab);
      const guest = await createGuest(site.hypervisor, { dataMiB: 24, ...options });
      await guest.start();
      await guest.waitForConsole(/VMB-HEARTBEAT 2/);
      if (guest.kind !== "no-agent") await guest.waitForAgent();
      if (method === "offline") await guest.shutdown();
      await site.listVms([{ name: guest.name, hypervisor: hypervisorName, agent: "fallback" }]);

      // Slow enough for a second reader of the same point in time.
      const run = site.start([
        "hv",
        "backup",
        guest.name,
        "--method",
        method,
        "--bwlimit",
        "8M",
        "--json",
      ]);
      await run.until(/== Copying/);
      const references = await convertExports(site, guest, method);
      const ended = await run.ended;
      assertEnded(ended, 0);

      const { manifest, folder } = JSON.parse(ended.stdout) as {
        manifest: Manifest;
        folder: string;
      };
      assert.equal(manifest.method, method);
      assert.equal(manifest.consistency, consistency);
      await assertWhole(folder, manifest, references);
      await assertUndisturbed(site, guest);
      await assertRecords(folder, manifest, guest);
      if (guest.kind === "uefi") assert.ok(manifest.files.some(({ role }) => role === "nvram"));
      assert.deepEqual(
        manifest.skippedDisks.map(({ target }) => target).sort(),
        guest.disks.filter((disk) => !isBackedUp(disk)).map(({ target }) => target).sort(),
      );
      assertEnded(await site.vmb("hv", "verify", guest.name), 0);
      assertEnded(await site.vmb("hv", "check", guest.name, "--post"), 0);
      if (method !== "offline") await assertStillWorks(guest);
    },
  });
}

/** A disk that the guest may only read is a disk all the same: without it the VM does not start. */
function isBackedUp({ role }: Guest["disks"][number]): boolean {
  return role === "data" || role === "readonly";
}

/** Reads each disk's point in time a second time, by qemu-img, while vmb copies it. */
async function convertExports(
  site: Site,
  guest: Guest,
  method: string,
): Promise<ReadonlyMap<string, string>> {
  const references = new Map<string, string>();
  const [run] = await names(site.scratch);
  for (const { target } of guest.disks.filter(isBackedUp)) {
    const socket = `${site.scratch}/${run}/${method === "quiesce" ? "backup" : target}.sock`;
    const reference = `${site.lab.folder}/reference-${target}.raw`;
    await program(
      "qemu-img",
      "convert",
      "-O",
      "raw",
      `nbd+unix:///${target}?socket=${socket}`,
      reference,
    );
    references.set(target, reference);
  }
  return references;
}

async function assertWhole(
  folder: string,
  manifest: Manifest,
  references: ReadonlyMap<string, string>,
): Promise<void> {
  assert.deepEqual(manifest.disks.map(({ target }) => target), [...references.keys()]);
  for (const { target, file } of manifest.disks) {
    await program("qemu-img", "check", "-q", `${folder}/${file}`);
    const reference = references.get(target) ?? "";
    assert.match(await program("qemu-img", "compare", `${folder}/${file}`, reference), /identical/);
  }
  await program(
    "env",
    "--chdir",
    folder,
    "sha256sum",
    "--check",
    "--strict",
    "--quiet",
    "checksums.sha256",
  );
  const listed = (await Deno.readTextFile(`${folder}/checksums.sha256`)).split("\n").filter(Boolean)
    .map((line) => line.slice(66));
  const present = (await program("find", folder, "-type", "f", "-printf", "%P\\n")).trim()
    .split("\n").filter((name) => name !== "checksums.sha256");
  assert.deepEqual(listed.sort(), present.sort());
}

/** The copy holds an unbroken prefix of what the guest wrote; a frozen one needs no journal replay. */
async function assertRecords(folder: string, manifest: Manifest, guest: Guest): Promise<void> {
  const written = guest.disks.filter(({ role }) => role === "data").map(({ target }) => target);
  for (const { file } of manifest.disks.filter(({ target }) => written.includes(target))) {
    const copy = await readRecords(`${folder}/${file}`);
    assert.equal(copy.first, 1);
    assert.equal(copy.broken, undefined);
    if (manifest.consistency !== "crash") {
      assert.equal(copy.replayed, false, "the file system was frozen");
    }
  }
  assert.ok(written.length > 0);
}

async function assertStillWorks(guest: Guest): Promise<void> {
  const beats = async () =>
    Math.max(
      0,
      ...(await Deno.readTextFile(guest.consoleLog)).match(/(?<=VMB-HEARTBEAT )\d+/g)?.map(
        Number,
      ) ?? [],
    );
  const now = await beats();
  await waitFor(async () => await beats() > now ? true : undefined, {
    what: "another heartbeat of the guest",
    deadlineMs: 30_000,
  });
}
