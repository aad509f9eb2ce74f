import assert from "node:assert/strict";
import { bootFilesOf, testCopy } from "../../core/proof/test_domain.ts";
import type { RewrittenNetwork } from "../../core/restore/rewrite.ts";
import { rewriteDomain } from "../../core/restore/rewrite_domain.ts";
import { stoppingOnReadErrors } from "../../core/restore/start.ts";
import { createGuest, type Guest, type GuestKind } from "../lab/guest.ts";
import { startHypervisor } from "../lab/hypervisor.ts";
import { openLab } from "../lab/lab.ts";

const kinds: readonly GuestKind[] = ["one-disk", "two-disks", "uefi", "no-agent"];

/** What a VM of a real site has, and a guest of the lab has not. */
const devices = `
    <interface type='bridge'><mac address='52:54:00:12:34:56'/><source bridge='br0'/></interface>
    <interface type='direct'><source dev='eth0' mode='bridge'/><model type='virtio'/></interface>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <vsock model='virtio'><cid auto='no' address='7'/></vsock>
    <graphics type='vnc' port='5907' autoport='no' passwd='s3cret'/>
    <channel type='unix'><source mode='bind' path='/run/a.sock'/>
      <target type='virtio' name='com.example.a'/></channel>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x06' slot='0x02' function='0x0'/></source></hostdev>
    <filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>
    <disk type='block' device='lun' rawio='yes'><driver name='qemu' type='raw'/>
      <source dev='/dev/sdz'/><target dev='sdb' bus='scsi'/></disk>
    <disk type='file' device='cdrom'><source file='/iso/x.iso'/><target dev='sdc' bus='sata'/>
      <readonly/></disk>`;

const networks: readonly RewrittenNetwork[] = [
  { kind: "keep" },
  { kind: "none" },
  { kind: "link-down" },
  { kind: "network", name: "vmb-isolated" },
];

/** What becomes of a definition, by what it is for. */
function variants(xml: string, { disks, nvram }: Guest): readonly (readonly [string, string])[] {
  const identity = () => ({ name: "copy", uuid: crypto.randomUUID() });
  const images = new Map(
    disks.map(({ target }) => [target, { path: `/images/${target}`, format: "raw" } as const]),
  );
  const path = nvram && "/images/vars.fd";
  const restored = networks.flatMap((network): readonly (readonly [string, string])[] => {
    const rewritten = rewriteDomain(xml, {
      ...{ ...identity(), newMacs: true, disks: images, network, nvram: path },
      otherDisks: "keep",
    });
    const words = `network ${network.kind}`;
    return [
      [words, rewritten],
      [`${words}, at once`, stoppingOnReadErrors(rewritten, [...images.keys()])],
    ];
  });
  const tested = (["isolated", "none", "link-down"] as const).map((network) => {
    const { xml: text } = testCopy(xml, {
      ...{ ...identity(), disks: images, nvram: path, network, userSession: false },
      ...{ consoleLog: "/images/console.log", isolatedNetwork: "vmb-test-1" },
      bootFiles: new Map(bootFilesOf(xml).map((file, index) => [file, `/images/boot-${index}`])),
      firmware: new Set(),
    });
    return [`for a test, ${network}`, text] as const;
  });
  return [...restored, ...tested];
}

Deno.test("rewriteDomain and testCopy write definitions that libvirt's schema accepts", async (t) => {
  await using lab = await openLab();
  const hypervisor = await startHypervisor(lab);
  const { virsh } = hypervisor;
  for (const kind of kinds) {
    const guest = await createGuest(hypervisor, { name: kind, kind });
    const own = await virsh("dumpxml", "--inactive", "--domain", guest.name);
    const xml = own.replace("<memballoon", `${devices}\n    <memballoon`);
    assert.notEqual(xml, own);
    for (const [words, text] of variants(xml, guest)) {
      await t.step(`${kind}, ${words}`, async () => {
        const file = `${lab.folder}/copy.xml`;
        await Deno.writeTextFile(file, text);
        await virsh("define", "--validate", "--file", file);
        await virsh("undefine", "--domain", "copy", "--keep-nvram");
      });
    }
    await guest.remove();
  }
});
