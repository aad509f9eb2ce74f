import assert from "node:assert/strict";
import { withCapturedDisks } from "../../../core/libvirt/captured_disks.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";

const vda =
  `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/a'/><target dev='vda' bus='virtio'/></disk>`;
const hot = `<disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/büro &amp; 🧪' index='7'/>
      <backingStore type='file'><format type='raw'/><source file='/c'/></backingStore>
      <target dev='vdb' bus='virtio'/>
      <alias name='virtio-disk1'/>
      <address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>
    </disk>`;
const scsi =
  `<disk type='block' device='disk'><source dev='/dev/x' index='2'/><target dev='sdb' bus='scsi'/><address type='drive' unit='1'/></disk>`;
const domain = (disks: string) =>
  `<domain>
  <name>web</name>
  <devices>
    ${disks}
  </devices>
</domain>`;

Deno.test("withCapturedDisks attaches what the running VM alone had, and changes no other byte", () => {
  const definition = domain(vda);
  assert.deepEqual(withCapturedDisks(definition, domain(vda + hot), ["vda"]), {
    xml: definition,
    missing: [],
  });
  const { xml, missing } = withCapturedDisks(definition, domain(vda + hot + scsi), [
    ...["vda", "vdb", "sdb"],
  ]);
  assert.deepEqual(missing, []);
  const disks = describeDomain(xml).disks;
  assert.deepEqual(
    disks.map(({ target, source, format, type }) => [target, source, format, type]),
    [
      ["vda", "/a", "qcow2", "file"],
      ["vdb", "/büro & 🧪", "raw", "file"],
      ["sdb", "/dev/x", "raw", "block"],
    ],
  );
  assert.doesNotMatch(xml, /<address|<alias|<backingStore|index=/);
  assert.ok(xml.startsWith(definition.slice(0, definition.indexOf(vda) + vda.length)));
});

Deno.test("withCapturedDisks names a disk that neither the definition nor the running VM had", () => {
  for (const live of [undefined, domain(vda)]) {
    const { xml, missing } = withCapturedDisks(domain(vda), live, ["vda", "vdc"]);
    assert.deepEqual([xml, missing], [domain(vda), ["vdc"]]);
  }
  const bare = "<domain><name>web</name></domain>";
  assert.equal(describeDomain(withCapturedDisks(bare, domain(vda), ["vda"]).xml).disks.length, 1);
});
