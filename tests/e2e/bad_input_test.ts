import assert from "node:assert/strict";
import { systemProcesses } from "../../core/sys/process.ts";
import { createGuest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { bindFolder, mountSmallFilesystem, whyNoMount } from "../lab/mount.ts";
import { assertEnded, assertUndisturbed, hypervisorName, names, openSite } from "./site.ts";

Deno.test("vmb hv backup answers bad input with one sentence and its exit code", async (t) => {
  await using lab = await openLab();
  const site = await openSite(lab);
  const guest = await createGuest(site.hypervisor, { name: 'it\'s a "VM" ü', dataMiB: 24 });
  const shutOff = await createGuest(site.hypervisor, { name: "off", kind: "shut-off" });
  await guest.start();
  await guest.waitForAgent();
  const rows: string[] = [];
  const expect = async (
    title: string,
    code: number,
    message: RegExp,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => {
    await t.step(title, async () => {
      const ended = await site.start(args, env).ended;
      assertEnded(ended, code);
      const [line = ""] = ended.stderr.split("\n").filter((text) => /^(vmb|error):/.test(text));
      assert.match(line, message);
      rows.push(`${String(code).padStart(3)}  ${title}: ${line}`);
    });
  };

  const mountStep = (name: string, fn: () => Promise<void>) =>
    t.step({ name, ignore: whyNoMount() !== undefined, fn });

  await expect("unknown VM", 10, /No VM "nope"/, ["hv", "backup", "nope"]);
  await expect("almost the name", 10, /No VM ".+"/, ["hv", "backup", shutOff.name.slice(0, -1)]);
  for (const name of ["../x", "a/b", ".hidden", "-x", "a\nb", "", "x".repeat(300)]) {
    await expect(`bad name ${JSON.stringify(name.slice(0, 12))}`, 2, /VM name/, [
      "hv",
      "backup",
      "--",
      name,
    ]);
  }
  await expect("unknown option", 2, /unknown option/, ["hv", "backup", "x", "--fast"]);
  await expect("unknown method", 2, /Allowed choices/, ["hv", "backup", "x", "--method", "magic"]);
  await expect("unknown level", 2, /Allowed are/, ["hv", "backup", "x", "--level", "huge"]);
  await expect("bad rate", 2, /--bwlimit/, ["hv", "backup", "x", "--bwlimit", "fast"]);
  await expect("no libvirt", 5, /No libvirt answers/, ["hv", "backup", guest.name], {
    VMB_LIBVIRT_URI: "qemu+unix:///system?socket=/nonexistent",
  });
  await expect("wrong method for a shut-off VM", 6, /shut off, and method quiesce/, [
    ...["hv", "backup", shutOff.name, "--method", "quiesce"],
  ]);
  await expect("unmounted share", 6, /not on a mount of type nfs or nfs4/, [
    "hv",
    "backup",
    guest.name,
  ], {
    VMB_BACKUP_FSTYPES: "nfs nfs4",
  });
  const everything = async () => [
    await names(site.root),
    await names(`${site.root}/metadata/runs`),
  ];
  const before = await everything();
  // The disk below the share has an accepted type, as on any machine whose BACKUP_FSTYPES names it.
  await expect(
    "unmounted share on a disk of an accepted type",
    6,
    /share-mounted: Backup root "[^"]+" is a folder of this machine's own disk .*the share is not mounted$/,
    ["hv", "backup", guest.name],
    { VMB_BACKUP_LOCAL: "no" },
  );
  assert.deepEqual(await everything(), before);
  await expect("too little local space", 6, /local-space/, ["hv", "backup", guest.name], {
    VMB_MIN_FREE_GB: "100000",
  });
  await t.step("no qemu-nbd", async () => {
    // All programs of this machine but one.
    const tools = `${lab.folder}/bin`;
    await Deno.mkdir(tools);
    for (const folder of ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]) {
      for (const tool of await names(folder)) {
        if (tool === "qemu-nbd") continue;
        await Deno.symlink(`${folder}/${tool}`, `${tools}/${tool}`).catch(() => {});
      }
    }
    const ended = await site.start(["hv", "backup", guest.name], { PATH: tools }).ended;
    assertEnded(ended, 5);
    assert.match(ended.stderr, /Program not found: qemu-nbd/);
  });

  await site.listVms([{ name: guest.name, hypervisor: "elsewhere" }]);
  await expect("a VM of another hypervisor", 4, /belongs to hypervisor "elsewhere"/, [
    ...["hv", "backup", guest.name],
  ]);
  await site.listVms([{ name: guest.name, hypervisor: hypervisorName, methode: "auto" }]);
  await expect("unknown key", 4, /vm-list\.yaml:1:\d+: .*methode/, ["config", "validate"]);
  await site.listVms([{ name: guest.name, hypervisor: hypervisorName }]);

  await mountStep("a read-only share", async () => {
    const folder = `${lab.folder}/read-only`;
    await Deno.mkdir(folder);
    const share = await bindFolder(lab, folder);
    await share.setReadOnly(true);
    const ended = await site.start(["hv", "backup", guest.name], { VMB_BACKUP_ROOT: share.path })
      .ended;
    assertEnded(ended, 6);
    assert.match(ended.stderr, /is mounted read-only/);
  });

  await mountStep(
    "a share that is too small is seen before",
    async () => {
      const share = await mountSmallFilesystem(lab, 40);
      const ended = await site.start(["hv", "backup", guest.name], { VMB_BACKUP_ROOT: share.path })
        .ended;
      assertEnded(ended, 6);
      assert.match(ended.stderr, /share-space/);
    },
  );

  await mountStep(
    "a share that fills up during the copy",
    async () => {
      const share = await mountSmallFilesystem(lab, 320);
      const run = site.start(["hv", "backup", guest.name, "--bwlimit", "8M"], {
        VMB_BACKUP_ROOT: share.path,
      });
      await run.until(/== Copying/);
      await fill(`${share.path}/ballast`);
      const ended = await run.ended;
      assertEnded(ended, 1);
      assert.match(ended.stderr, /No space left|ENOSPC|os error 28/i);
      await assertUndisturbed(site, guest);
      assert.deepEqual(
        (await Array.fromAsync(Deno.readDir(`${share.path}/${hypervisorName}/${guest.name}`)))
          .length,
        0,
      );
    },
  );

  await t.step("a second run while one runs", async () => {
    const first = site.start(["hv", "backup", guest.name, "--bwlimit", "4M"]);
    await first.until(/== Copying/);
    const second = await site.vmb("hv", "backup", guest.name, "--json");
    assertEnded(second, 11);
    assert.equal(JSON.parse(second.stdout).error.code, "repository.locked");
    assert.ok(JSON.parse(second.stdout).error.message.includes(`pid ${first.pid}`));
    const patient = await site.vmb("hv", "backup", guest.name, "--lock-wait", "5");
    assertEnded(await first.ended, 0);
    assertEnded(patient, 0);
    assert.match(patient.stderr, /runs on .*: waiting up to 5 m 0 s for its end/);
    await assertUndisturbed(site, guest);
  });

  await t.step("a paused VM", async () => {
    await site.hypervisor.virsh("suspend", "--domain", guest.name);
    const ended = await site.vmb("hv", "backup", guest.name);
    assertEnded(ended, 6);
    assert.match(ended.stderr, /it is paused/);
    await site.hypervisor.virsh("resume", "--domain", guest.name);
  });

  await t.step("a hung agent", async () => {
    const stop = {
      execute: "guest-exec",
      arguments: { path: "/bin/busybox", arg: ["sh", "-c", "kill -STOP $(cat /run/qemu-ga.pid)"] },
    };
    const asked = [
      "qemu-agent-command",
      "--timeout",
      "5",
      "--domain",
      guest.name,
      JSON.stringify(stop),
    ];
    // The agent may be stopped before it answers.
    await site.hypervisor.virsh(...asked).catch(() => {});
    const ended = await site.vmb("hv", "backup", guest.name);
    assertEnded(ended, 6);
    assert.match(ended.stderr, /guest agent cannot freeze it/i);
    assert.match(ended.stderr, /hint: .*agent: fallback/);
  });
  console.log(rows.join("\n"));
});

/** Writes until the file system is full; dd then ends with status 1. */
async function fill(path: string): Promise<void> {
  const argv = ["dd", "if=/dev/zero", `of=${path}`, "bs=1M", "status=none"] as const;
  const { stderr } = await systemProcesses.run(argv);
  assert.match(stderr, /No space left/);
}
