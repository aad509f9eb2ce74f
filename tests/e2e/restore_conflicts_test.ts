import assert from "node:assert/strict";
import { describeDomain } from "../../core/libvirt/domain_xml.ts";
import { openLab } from "../lab/lab.ts";
import { program } from "./program.ts";
import {
  assertNothingLeft,
  type BackedUp,
  backUpGuest,
  forgeXml,
  loseGuest,
  openRestoreSite,
  restore,
  type RestoreSite,
  trusting,
} from "./restoring.ts";
import { names } from "./site.ts";

/** Puts something in the way, and returns what takes it away again. */
type Prepare = (site: RestoreSite, backedUp: BackedUp) => Promise<() => Promise<void>>;

interface Case {
  readonly title: string;
  readonly args?: readonly string[];
  readonly distrusting?: boolean;
  readonly prepare?: Prepare;
  readonly code: number;
  readonly says: RegExp;
}

const forged = (change: (xml: string) => string): Prepare => (_, backedUp) =>
  forgeXml(backedUp, change);

/** An interface on what is not there. */
const withInterface = (interfaceXml: string) =>
  forged((xml) => xml.replace("<memballoon", `${interfaceXml}\n    <memballoon`));

const onNetwork = `<interface type='network'>
      <mac address='52:54:00:12:34:56'/>
      <source network='no-such-net'/>
    </interface>`;

const cases: readonly Case[] = [
  {
    title: "a file where a disk goes",
    async prepare({ images }, { guest }) {
      const path = `${images}/${guest.name}-vda.qcow2`;
      await Deno.writeTextFile(path, "mine");
      return async () => {
        assert.equal(await Deno.readTextFile(path), "mine");
        await Deno.remove(path);
      };
    },
    code: 6,
    says: /target-files: failed: ".*-vda\.qcow2" is there already/,
  },
  {
    title: "a VM of that name, with another UUID, and one of the UUID with another name",
    async prepare({ hypervisor: { virsh } }, { guest, manifest }) {
      const define = async (name: string, uuid: string) => {
        const file = await Deno.makeTempFile();
        await Deno.writeTextFile(
          file,
          `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>16</memory><os><type arch='x86_64'>hvm</type></os></domain>`,
        );
        await virsh("define", file);
        await Deno.remove(file);
      };
      const other = `${guest.name}-renamed`;
      await define(guest.name, crypto.randomUUID());
      await define(other, manifest.vm.uuid);
      return async () => {
        for (const name of [guest.name, other]) await virsh("undefine", "--domain", name);
      };
    },
    code: 6,
    says: /domain: failed: ".*-renamed" is there, with this UUID, shut off/,
  },
  {
    title: "no such folder",
    args: ["--image-dir", "/no/such"],
    code: 6,
    says: /there is no folder/,
  },
  {
    title: "a full disk",
    args: ["--image-dir", "IMAGES/small"],
    async prepare({ images }) {
      await Deno.mkdir(`${images}/small`);
      await program("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", `${images}/small`);
      return async () => {
        await program("umount", `${images}/small`);
        await Deno.remove(`${images}/small`);
      };
    },
    code: 6,
    says: /space: failed: .* MiB wanted, 4 MiB free/,
  },
  {
    title: "a network that is missing",
    prepare: withInterface(onNetwork),
    code: 6,
    says: /networks: failed: there is no network "no-such-net" \(hint: .*--network none/,
  },
  {
    title: "the same with --network none",
    args: ["--network", "none"],
    prepare: withInterface(onNetwork),
    code: 0,
    says: /networks: ok: none needed/,
  },
  {
    title: "the same with --network isolated",
    args: ["--network", "isolated"],
    prepare: withInterface(onNetwork),
    code: 0,
    says: /networks: ok/,
  },
  {
    title: "the same with --network another",
    args: ["--network", "another"],
    prepare: withInterface(onNetwork),
    code: 6,
    says: /there is no network "another"/,
  },
  {
    title: "a bridge that is missing",
    prepare: withInterface(`<interface type='bridge'><source bridge='no-br'/></interface>`),
    code: 6,
    says: /there is no bridge "no-br"/,
  },
  {
    title: "a wrong machine type",
    prepare: forged((xml) => xml.replace(/machine='[^']*'/, "machine='pc-q35-rhel99.9.9'")),
    code: 6,
    says: /machine: failed: .*rhel99\.9\.9/,
  },
  {
    title: "an emulator of another distribution",
    prepare: forged((xml) =>
      xml.replace(/<emulator>.*<\/emulator>/, "<emulator>/usr/libexec/qemu-kvm</emulator>")
    ),
    code: 0,
    says: /left out: "the emulator of another distribution"/,
  },
  {
    title: "an emulator of nobody's",
    prepare: forged((xml) =>
      xml.replace(/<emulator>.*<\/emulator>/, "<emulator>/opt/own/qemu</emulator>")
    ),
    code: 6,
    says: /there is no emulator "\/opt\/own\/qemu"/,
  },
  {
    title: "a definition that uses more of the hypervisor, without --trust-definition",
    args: [],
    distrusting: true,
    prepare: forged((xml) =>
      xml.replace(
        "<memballoon",
        "<filesystem type='mount'><source dir='/etc'/><target dir='etc'/></filesystem><memballoon",
      )
    ),
    code: 6,
    says: /definition: failed: .*"filesystem type=mount source\(dir=\/etc\)/,
  },
  {
    title: "a processor that is not known",
    prepare: forged((xml) =>
      xml.replace(
        /<cpu [^]*?(\/>|<\/cpu>)/,
        "<cpu mode='custom' match='exact'><model fallback='forbid'>Pentium-9000</model></cpu>",
      )
    ),
    code: 6,
    says: /processor model Pentium-9000 is not known here/,
  },
  {
    title: "a pool that is missing",
    prepare: forged((xml) =>
      xml.replace(
        "<memballoon",
        "<disk type='volume' device='disk'><source pool='no-pool' volume='v'/><target dev='vdz' bus='virtio'/></disk><memballoon",
      )
    ),
    code: 6,
    says: /there is no storage pool "no-pool"/,
  },
  {
    title: "a kernel that is missing",
    prepare: forged((xml) => xml.replace(/<kernel>.*<\/kernel>/, "<kernel>/no/vmlinuz</kernel>")),
    code: 6,
    says: /boot-files: failed: not on this hypervisor: "\/no\/vmlinuz"/,
  },
  {
    title: "a changed byte in the image",
    async prepare(_, { folder, manifest }) {
      const path = `${folder}/${manifest.disks[0]?.file}`;
      const flip = async () => {
        using file = await Deno.open(path, { read: true, write: true });
        const byte = new Uint8Array(1);
        await file.seek(200_000, Deno.SeekMode.Start);
        await file.read(byte);
        await file.seek(200_000, Deno.SeekMode.Start);
        await file.write(byte.map((value) => value ^ 1));
      };
      await flip();
      return flip;
    },
    code: 6,
    says: /-vda\.qcow2" is not what was backed up: its SHA-256 is/,
  },
  {
    title: "a manifest that cannot be read",
    async prepare(_, { folder }) {
      const path = `${folder}/backup-metadata.json`;
      const text = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, text.slice(0, 100));
      return () => Deno.writeTextFile(path, text);
    },
    code: 6,
    says: /The newest backup of ".*", .*, is damaged: .* is no JSON/,
  },
  {
    title: "a share that is not mounted",
    async prepare(site) {
      await site.configure({ BACKUP_FSTYPES: "nfs4" });
      return () => site.configure({ BACKUP_FSTYPES: `"ext2 ext3 ext4 xfs btrfs overlay tmpfs"` });
    },
    code: 6,
    says: /not on a mount of type nfs4/,
  },
  {
    title: "a share that is read-only",
    async prepare({ root }) {
      await program("mount", "--bind", root, root);
      await program("mount", "-o", "remount,bind,ro", root);
      return async () => void await program("umount", root);
    },
    code: 0,
    says: /The share is read-only here/,
  },
  { title: "nothing", code: 0, says: /mac-addresses: ok/ },
];

Deno.test("vmb hv restore finds what is in the way before it writes anything", async (t) => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const backedUp = await backUpGuest(site, { name: "x" });
  const { guest } = backedUp;
  await loseGuest(site, guest);
  const table: string[] = [];
  for (const { title, args = [], distrusting, prepare, code, says } of cases) {
    await t.step(title, async () => {
      const undo = await prepare?.(site, backedUp);
      const before = await names(site.images);
      try {
        const words = [...args, ...distrusting ? [] : [trusting]]
          .map((word) => word.replace("IMAGES", site.images));
        const ended = await site.vmb("hv", "restore", guest.name, ...words);
        assert.equal(ended.code, code, ended.stderr);
        assert.match(ended.stderr, says);
        table.push(`${title.padEnd(78)} exit ${code}`);
        if (code === 0) {
          await site.hypervisor.virsh("undefine", "--domain", guest.name);
          await Deno.remove(`${site.images}/${guest.name}-vda.qcow2`);
        }
        assert.deepEqual(await names(site.images), before);
        await assertNothingLeft(site);
      } finally {
        await undo?.();
      }
    });
  }
  console.log(table.join("\n"));
});

Deno.test("vmb hv restore tells all that is in the way at once", async () => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const backedUp = await backUpGuest(site, { name: "x" });
  const { guest } = backedUp;
  await forgeXml(backedUp, (xml) =>
    xml.replace(/machine='[^']*'/, "machine='pc-q35-rhel99.9.9'")
      .replace("<memballoon", `${onNetwork}\n    <memballoon`));
  await Deno.writeTextFile(`${site.images}/${guest.name}-vda.qcow2`, "mine");
  const ended = await site.vmb("hv", "restore", guest.name, "--dry-run", "--json");
  assert.equal(ended.code, 6);
  const { checks } = JSON.parse(ended.stdout) as { checks: { name: string; outcome: string }[] };
  assert.deepEqual(
    checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name),
    ["domain", "definition", "target-files", "networks", "machine"],
  );
});

Deno.test("vmb hv restore puts a clone with addresses of its own onto the network that is asked for", async (t) => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const backedUp = await backUpGuest(site, { name: "x" });
  const { guest } = backedUp;
  const { virsh } = site.hypervisor;
  const file = `${lab.folder}/lab-net.xml`;
  await Deno.writeTextFile(
    file,
    "<network><name>lab-net</name><bridge name='vmblabnet0'/></network>",
  );
  await virsh("net-create", file);
  const its = onNetwork.replace("no-such-net", "lab-net");
  await forgeXml(backedUp, (xml) => xml.replace("<memballoon", `${its}\n    <memballoon`));
  for (
    const [word, expected] of [
      ["keep", /<source network='lab-net'\/>/],
      ["lab-net", /<source network='lab-net'\/>/],
      ["link-down", /<link state='down'\/>/],
      ["isolated", /<source network='vmb-isolated'\/>/],
      ["none", undefined],
    ] as const
  ) {
    await t.step(word, async () => {
      const name = `${guest.name}-${word}`;
      await restore(site, guest.name, "latest", "--name", name, "--network", word);
      const xml = await virsh("dumpxml", "--inactive", "--domain", name);
      const { interfaces } = describeDomain(xml);
      assert.equal(interfaces.length, expected === undefined ? 0 : 1);
      if (expected !== undefined) assert.match(xml, expected);
      assert.notEqual(interfaces[0]?.mac, "52:54:00:12:34:56");
      await virsh("undefine", "--domain", name);
    });
  }
  assert.doesNotMatch(await virsh("net-dumpxml", "vmb-isolated"), /<forward|<ip/);
  await virsh("net-destroy", "vmb-isolated");
  await virsh("net-undefine", "vmb-isolated");
  await virsh("net-destroy", "lab-net");
});
