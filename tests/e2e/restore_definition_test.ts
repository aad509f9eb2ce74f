import assert from "node:assert/strict";
import { rewriteDomain, type RewrittenNetwork } from "../../core/restore/rewrite_domain.ts";
import { stoppingOnReadErrors } from "../../core/restore/start.ts";
import { createGuest, type GuestKind } from "../lab/guest.ts";
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

Deno.test("rewriteDomain writes definitions that libvirt's schema accepts", async (t) => {
  await using lab = await openLab();
  const hypervisor = await startHypervisor(lab);
  const { virsh } = hypervisor;
  for (const kind of kinds) {
    const guest = await createGuest(hypervisor, { name: kind, kind });
    const own = await virsh("dumpxml", "--inactive", "--domain", guest.name);
    const xml = own.replace("<memballoon", `${devices}\n    <memballoon`);
    assert.notEqual(xml, own);
    const disks = new Map(
      guest.disks.map((
        { target },
      ) => [target, { path: `/images/${target}`, format: "raw" } as const]),
    );
    for (const network of networks) {
      for (const forTest of [false, true]) {
        await t.step(
          `${kind}, network ${network.kind}${forTest ? ", for a test" : ""}`,
          async () => {
            const name = `${guest.name}-copy`;
            const rewritten = rewriteDomain(xml, {
              ...{ name, uuid: crypto.randomUUID(), newMacs: true, disks, network, forTest },
              ...{ otherDisks: "keep", nvram: guest.nvram && "/images/vars.fd" },
            });
            for (const text of [rewritten, stoppingOnReadErrors(rewritten, [...disks.keys()])]) {
              const file = `${lab.folder}/copy.xml`;
              await Deno.writeTextFile(file, text);
              await virsh("define", "--validate", "--file", file);
              await virsh("undefine", "--domain", name, "--keep-nvram");
            }
          },
        );
      }
    }
    await guest.remove();
  }
});
