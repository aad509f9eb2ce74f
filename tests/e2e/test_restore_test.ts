import assert from "node:assert/strict";
import { countColours, decodePicture } from "../../core/proof/picture.ts";
import type { Proof } from "../../core/proof/proof.ts";
import { createGuest, type Guest, type GuestOptions } from "../lab/guest.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { bindFolder } from "../lab/mount.ts";
import { program } from "./program.ts";
import {
  assertEnded,
  assertUndisturbed,
  type Ended,
  hypervisorName,
  names,
  openSite,
  type Site,
} from "./site.ts";

/** A site with one guest that has been backed up, and is off since. */
async function openWithBackup(
  lab: Lab,
  options: Partial<GuestOptions> = {},
): Promise<[Site, Guest, number]> {
  const site = await openSite(lab);
  const guest = await createGuest(site.hypervisor, { name: "guest", dataMiB: 8, ...options });
  await guest.start();
  const bootMs = guest.kind === "no-agent"
    ? (await guest.waitForConsole(/VMB-READY/), 0)
    : await guest.waitForAgent();
  await list(site, guest);
  assertEnded(
    await site.vmb(
      ...["hv", "backup", guest.name],
      ...(guest.kind === "no-agent" ? ["--method", "snapshot"] : []),
    ),
    0,
  );
  await guest.destroy();
  return [site, guest, bootMs];
}

async function list(site: Site, guest: Guest, ...validate: readonly unknown[]): Promise<void> {
  const entry = { name: guest.name, hypervisor: hypervisorName, agent: "fallback", validate };
  await site.listVms([entry]);
}

async function testRestore(site: Site, guest: Guest, ...flags: readonly string[]): Promise<Ended> {
  return await site.vmb("hv", "test-restore", guest.name, "--json", ...flags);
}

function outcomeOf({ stdout }: Ended): { proof: Proof; folder: string } {
  return JSON.parse(stdout);
}

/** SHA-256, owner and times of every file of the backup. */
async function fingerprint(site: Site, guest: Guest): Promise<string> {
  const folder = await backupFolder(site, guest);
  const files = (await program("find", folder, "-type", "f")).trim().split("\n").toSorted();
  return await program("sha256sum", "--", ...files) +
    await program("stat", "-c", "%n %u %g %a %Y %Z", "--", ...files);
}

async function backupFolder(site: Site, guest: Guest): Promise<string> {
  const parent = `${site.root}/${hypervisorName}/${guest.name}`;
  const id = (await names(parent)).find((name) => /^[\d-]+$/.test(name));
  return `${parent}/${id}`;
}

/** Nothing of a test restore is left: no domain, network, rule, process or file. */
async function assertNothingLeft(site: Site, guest: Guest): Promise<void> {
  const { virsh } = site.hypervisor;
  assert.equal((await virsh("list", "--all", "--name")).trim(), guest.name);
  assert.doesNotMatch(await virsh("net-list", "--all", "--name"), /vmb-test/);
  await assertUndisturbed(site, guest);
  const parent = `${site.root}/${hypervisorName}/${guest.name}`;
  for (const name of await names(parent)) {
    if (!name.endsWith(".proofs")) continue;
    const hidden = (await names(`${parent}/${name}`)).filter((each) => each.startsWith("."));
    assert.deepEqual(hidden, [], "a partial proof is left");
  }
}

Deno.test("vmb hv test-restore proves disks of 1 and 20 GiB alike, from read-only images", async (t) => {
  for (const sizeMiB of [1024, 20 * 1024]) {
    await t.step(`${sizeMiB / 1024} GiB`, async () => {
      await using lab = await openLab();
      const [site, guest, bootMs] = await openWithBackup(lab, { sizeMiB, screen: true });
      const before = await fingerprint(site, guest);
      const production = await program("sha256sum", guest.disks[0]?.path ?? "");
      const mount = await bindFolder(lab, await backupFolder(site, guest));
      await program("mount", "--bind", mount.path, await backupFolder(site, guest));
      await mount.setReadOnly(true);
      await program("mount", "-o", "remount,bind,ro", await backupFolder(site, guest));
      lab.defer(async () => void await program("umount", await backupFolder(site, guest)));
      await list(
        site,
        guest,
        { command: ["/bin/busybox", "grep", "-c", " /data ", "/proc/mounts"], output: "^1$" },
        { console: "VMB-READY" },
      );
      const since = performance.now();
      const ended = await testRestore(site, guest);
      const totalMs = performance.now() - since;
      assertEnded(ended, 0);
      const { proof, folder } = outcomeOf(ended);
      assert.equal(proof.verdict, "pass");
      assert.equal(proof.bootedBy, "guest-agent");
      assert.deepEqual(proof.fileSystems, ["/data"]);
      assert.ok((proof.recoverySeconds ?? 0) >= (proof.bootSeconds ?? Infinity));
      assert.deepEqual(proof.compared.map(({ target, clusters, of }) => [target, clusters - of]), [
        ["vda", 0],
      ]);
      console.log(
        `  ${sizeMiB / 1024} GiB: own boot ${(bootMs / 1000).toFixed(1)} s, copy alive after ${
          proof.recoverySeconds?.toFixed(1)
        } s, verdict after ${(totalMs / 1000).toFixed(1)} s (${
          ((totalMs - bootMs) / 1000).toFixed(1)
        } s beyond the own boot)`,
      );
      const picture = decodePicture(await Deno.readFile(`${folder}/screenshot.png`));
      assert.ok(countColours(picture) > 1, "the screen is blank");
      assert.equal(picture.width, proof.screenshot?.width);
      assert.match(await Deno.readTextFile(`${folder}/console.log`), /VMB-AGENT/);
      assert.deepEqual(JSON.parse(await Deno.readTextFile(`${folder}/proof.json`)), proof);
      assert.equal(await fingerprint(site, guest), before, "the backup was changed");
      assert.equal(await program("sha256sum", guest.disks[0]?.path ?? ""), production);
      await assertNothingLeft(site, guest);

      const listed = JSON.parse((await site.vmb("hv", "list", "--json")).stdout);
      assert.equal(listed.backups.length, 1);
      assert.equal(listed.backups[0].proof.verdict, "pass");
      assert.match((await site.vmb("hv", "show", guest.name)).stdout, /pass .*it boots/);
      assertEnded(await site.vmb("hv", "verify", guest.name), 0);
    });
  }
});

Deno.test("vmb hv test-restore fails with a reason when the copy does not live", async (t) => {
  await using lab = await openLab();
  const [site, guest] = await openWithBackup(lab);
  const fails = async (reason: RegExp, ...flags: readonly string[]) => {
    const ended = await testRestore(site, guest, ...flags);
    assertEnded(ended, 6);
    const { proof } = outcomeOf(ended);
    assert.equal(proof.verdict, "fail");
    assert.match(proof.reason, reason);
    await assertNothingLeft(site, guest);
    return proof;
  };

  await t.step("a validate command that ends with another status", async () => {
    await list(site, guest, { command: ["/bin/busybox", "false"] });
    await fails(/^validate .*false: it ended with status 1, wanted is 0/);
  });
  await t.step("a validate command whose output is another", async () => {
    await list(site, guest, { command: ["/bin/busybox", "echo", "no"], output: "^yes$" });
    await fails(/its output does not match \/\^yes\$\/: "no"/);
  });
  await t.step("a port cannot be asked without a network: inconclusive", async () => {
    await list(site, guest, { tcp: 22 });
    const ended = await testRestore(site, guest);
    assertEnded(ended, 3);
    assert.match(outcomeOf(ended).proof.reason, /no network/);
  });
  await list(site, guest);
  const folder = await backupFolder(site, guest);
  const image = `${folder}/${guest.name}-vda.qcow2`;
  const whole = await Deno.readFile(image);
  await t.step("an image with one changed byte of data", async () => {
    const damaged = whole.slice();
    const at = Math.floor(damaged.length / 2);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await Deno.writeFile(image, damaged);
    await fails(/^content: Cluster \d+ of disk vda .* is not what was backed up/);
    await fails(/^disks: The content of disk vda is not what was backed up/, "--full-copy");
  });
  await t.step("an image whose tables are overwritten", async () => {
    const damaged = whole.slice();
    damaged.fill(0xff, damaged.length - 65_536);
    await Deno.writeFile(image, damaged);
    await fails(/^disks: /);
  });
  await t.step("an image that is cut off", async () => {
    await Deno.writeFile(image, whole.subarray(0, whole.length - 65_536));
    await fails(/^files: .*vda\.qcow2" of the backup has \d+ bytes, not \d+/);
  });
  await t.step("a domain definition that was edited", async () => {
    await Deno.writeFile(image, whole);
    const xml = `${folder}/${guest.name}.xml`;
    const text = await Deno.readTextFile(xml);
    await Deno.writeTextFile(xml, text.replace("<vcpu", "<VCPU"));
    await fails(/^files: .*\.xml" of the backup was changed/);
    await Deno.writeTextFile(xml, text);
    const ended = await testRestore(site, guest, "--full-copy");
    assertEnded(ended, 0);
    await assertNothingLeft(site, guest);
  });
});

Deno.test("vmb hv test-restore fails when the guest does not boot", async () => {
  await using lab = await openLab();
  const site = await openSite(lab);
  const { virsh } = site.hypervisor;
  const guest = await createGuest(site.hypervisor, { name: "guest", workload: "idle" });
  await guest.start();
  await guest.waitForAgent();
  // What is defined now is what a backup keeps, and what the next start would use.
  const xml = await virsh("dumpxml", "--inactive", guest.name);
  const broken = `${guest.folder}/broken.xml`;
  await Deno.writeTextFile(broken, xml.replace("console=ttyS0", "console=ttyS0 rdinit=/nowhere"));
  await virsh("define", broken);
  await list(site, guest);
  assertEnded(await site.vmb("hv", "backup", guest.name), 0);
  const ended = await testRestore(site, guest, "--timeout", "60");
  assertEnded(ended, 6);
  const { proof, folder } = outcomeOf(ended);
  assert.match(proof.reason, /^boot: its console says: Kernel panic - not syncing/);
  assert.match(await Deno.readTextFile(`${folder}/console.log`), /Kernel panic/);
  assert.equal(proof.bootSeconds, null);
  // The original ran all the time.
  await guest.askAgent("guest-ping");
  await assertNothingLeft(site, guest);
});

Deno.test("vmb hv test-restore takes the console's word for a guest without an agent", async () => {
  await using lab = await openLab();
  const [site, guest] = await openWithBackup(lab, { kind: "no-agent", workload: "idle" });
  await list(site, guest, { console: "VMB-READY" });
  const ended = await testRestore(site, guest);
  assertEnded(ended, 0);
  assert.equal(outcomeOf(ended).proof.bootedBy, "console");
  await list(site, guest);
  const silent = await testRestore(site, guest, "--timeout", "8");
  assertEnded(silent, 6);
  assert.match(outcomeOf(silent).proof.reason, /no sign of life within 8\.00 s/);
  await assertNothingLeft(site, guest);
});

Deno.test("vmb hv test-restore boots a UEFI guest from a copy of its variables", async () => {
  await using lab = await openLab();
  const [site, guest] = await openWithBackup(lab, { kind: "uefi", workload: "idle" });
  const nvram = await program("sha256sum", guest.nvram ?? "");
  const ended = await testRestore(site, guest);
  assertEnded(ended, 0);
  assert.equal(outcomeOf(ended).proof.bootedBy, "guest-agent");
  assert.equal(await program("sha256sum", guest.nvram ?? ""), nvram);
  await assertNothingLeft(site, guest);
});

Deno.test("vmb hv test-restore --keep leaves a copy that only recover --kept removes", async () => {
  await using lab = await openLab();
  const [site, guest] = await openWithBackup(lab, { workload: "idle" });
  const { virsh } = site.hypervisor;
  const ended = await testRestore(site, guest, "--keep");
  assertEnded(ended, 0);
  const { kept } = JSON.parse(ended.stdout);
  assert.match(await virsh("domstate", kept.uuid), /running/);
  // The copy shares nothing with the original, which may run beside it.
  await guest.start();
  await guest.waitForAgent();
  const copyXml = await virsh("dumpxml", kept.uuid);
  for (const path of [...guest.disks.map((disk) => disk.path), guest.folder]) {
    assert.ok(!copyXml.includes(path), `the copy names ${path}`);
  }
  assertEnded(await site.vmb("hv", "recover"), 0);
  assert.match(await virsh("domstate", kept.uuid), /running/);
  assertEnded(await site.vmb("hv", "recover", "--kept"), 0);
  await assertNothingLeft(site, guest);
});

Deno.test("vmb hv test-restore --random takes the VM that was proven the longest ago", async () => {
  await using lab = await openLab();
  const [site, guest] = await openWithBackup(lab, { workload: "idle" });
  const other = await createGuest(site.hypervisor, { name: "other", workload: "idle" });
  await site.listVms(
    [guest, other].map(({ name }) => ({ name, hypervisor: hypervisorName })),
  );
  assertEnded(await site.vmb("hv", "backup", other.name), 0);
  const chosen: string[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const ended = await site.vmb("hv", "test-restore", "--random", "--json");
    assertEnded(ended, 0);
    chosen.push(JSON.parse(ended.stdout).proofs[0].proof.vm);
  }
  assert.deepEqual(chosen, [guest.name, other.name, guest.name]);
  assertEnded(await site.vmb("hv", "test-restore"), 2);
});

Deno.test("vmb hv recover removes all that a killed test restore left", async (t) => {
  await using lab = await openLab();
  const [site, guest] = await openWithBackup(lab, { workload: "idle" });
  const moments = [
    /== Looking at/,
    /== Serving the disks/,
    /check disks/,
    /== Starting/,
    /check start/,
    /check boot/,
    /check file-systems/,
    /check screenshot/,
  ];
  for (const moment of moments) {
    await t.step(`killed at ${moment}`, async () => {
      const before = await fingerprint(site, guest);
      const run = site.start(["hv", "test-restore", guest.name]);
      await run.until(moment);
      run.signal("SIGKILL");
      await run.ended;
      const recovered = await site.vmb("hv", "recover", "--json");
      assertEnded(recovered, 0);
      assert.ok(JSON.parse(recovered.stdout).recoveries.length <= 1);
      await assertNothingLeft(site, guest);
      assert.equal(await fingerprint(site, guest), before);
      assert.deepEqual(JSON.parse((await site.vmb("hv", "recover", "--json")).stdout), {
        recoveries: [],
      });
    });
  }
  await t.step("stopped by SIGTERM", async () => {
    const run = site.start(["hv", "test-restore", guest.name]);
    await run.until(/== Waiting for a sign of life/);
    run.signal("SIGTERM");
    assertEnded(await run.ended, 143);
    await assertNothingLeft(site, guest);
  });
  await guest.start();
  await guest.waitForAgent();
});
