import assert from "node:assert/strict";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import {
  bootFilesOf,
  memoryOf,
  type TestCopy,
  testCopyXml,
} from "../../../core/proof/test_domain.ts";

const xml = `<domain type='kvm'>
  <name>gw</name>
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <memory unit='GiB'>4</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/boot/gw-vmlinuz</kernel>
    <initrd>/boot/gw-initrd</initrd>
    <nvram>/var/lib/libvirt/qemu/nvram/gw.fd</nvram>
  </os>
  <devices>
    <disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='native'/>
      <source dev='/dev/vg/gw'/>
      <target dev='vda' bus='virtio'/>
      <iotune><total_bytes_sec>1000</total_bytes_sec></iotune>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:aa:bb:cc'/>
      <source bridge='br-prod'/>
      <vlan><tag id='7'/></vlan>
      <virtualport type='openvswitch'/>
    </interface>
    <hostdev mode='subsystem' type='pci'><source><address domain='0'/></source></hostdev>
  </devices>
</domain>
`;

const copy: TestCopy = {
  name: "vmb-test-gw-1",
  uuid: "99999999-2222-4333-8444-555555555555",
  disks: new Map([["vda", { path: "/scratch/vda.qcow2", format: "qcow2" }]]),
  nvram: "/scratch/nvram.fd",
  consoleLog: "/scratch/console.log",
  network: "link-down",
  isolatedNetwork: undefined,
  bootFiles: new Map([["/boot/gw-vmlinuz", "/scratch/boot-0"], [
    "/boot/gw-initrd",
    "/scratch/boot-1",
  ]]),
  userSession: false,
};

Deno.test("testCopyXml leaves nothing of the original that could be reached", () => {
  for (const network of ["link-down", "none", "isolated"] as const) {
    const text = testCopyXml(xml, { ...copy, network, isolatedNetwork: "vmb-test-1" });
    const originals =
      /br-prod|\/dev\/vg|\/boot\/|nvram\/gw|aa:bb:cc|openvswitch|vlan|hostdev|iotune/;
    assert.doesNotMatch(text, originals);
    assert.doesNotMatch(text, /11111111|cache='none'|io='native'/);
    const { name, uuid, disks, nvram, interfaces } = describeDomain(text);
    assert.deepEqual([name, uuid, nvram], [copy.name, copy.uuid, copy.nvram]);
    assert.deepEqual(disks.map(({ target, source, format }) => [target, source, format]), [
      ["vda", "/scratch/vda.qcow2", "qcow2"],
    ]);
    assert.deepEqual(
      interfaces.map(({ type, source }) => [type, source]),
      {
        "link-down": [["ethernet", undefined]],
        "none": [],
        "isolated": [["network", "vmb-test-1"]],
      }[network],
    );
    assert.equal(text.includes("<link state='down'/>"), network === "link-down");
  }
});

Deno.test("testCopyXml stops the copy at the first block that cannot be read", () => {
  const text = testCopyXml(xml, copy);
  assert.match(text, /cache='unsafe' error_policy='stop' rerror_policy='stop'/);
});

Deno.test("bootFilesOf and memoryOf read what a copy takes from its host", () => {
  assert.deepEqual(bootFilesOf(xml), ["/boot/gw-vmlinuz", "/boot/gw-initrd"]);
  assert.equal(memoryOf(xml), 4096);
  assert.equal(memoryOf(xml.replace(" unit='GiB'>4<", ">2097152<")), 2048);
});
