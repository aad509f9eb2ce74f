import assert from "node:assert/strict";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import type { TestCopy } from "../../../core/proof/copy_devices.ts";
import { bootFilesOf, testCopy } from "../../../core/proof/test_domain.ts";
import { tiedDomain } from "../restore/domains.ts";

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
      <driver name='qemu' type='raw' cache='none' io='native' queues='4'/>
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
  firmware: new Set(["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"]),
  userSession: false,
};

Deno.test("testCopy leaves nothing of the original that could be reached", () => {
  for (const network of ["link-down", "none", "isolated"] as const) {
    const { xml: text, leftOut } = testCopy(xml, {
      ...copy,
      network,
      isolatedNetwork: "vmb-test-1",
    });
    const originals =
      /br-prod|\/dev\/vg|\/boot\/|nvram\/gw|aa:bb:cc|openvswitch|vlan|hostdev|iotune/;
    assert.doesNotMatch(text, originals);
    assert.doesNotMatch(text, /11111111|cache='none'|io='native'/);
    assert.deepEqual(leftOut, ["hostdev mode=subsystem type=pci source(address(domain=0))"]);
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

Deno.test("testCopy stops the copy at the first block that cannot be read", () => {
  const { xml: text } = testCopy(xml, copy);
  assert.match(text, /queues='4'.* cache='unsafe' error_policy='stop' rerror_policy='stop'/);
});

Deno.test("testCopy of a VM that is tied to its host in every way has what its guest needs, and no more", () => {
  const { xml: text, leftOut } = testCopy(tiedDomain, { ...copy, network: "none" });
  for (
    const word of [
      ...["hostdev", "filesystem", "redirdev", "shmem", "vsock", "seclabel", "qemu:", "<emulator"],
      ...["memfd", "cpuset", "production", "shareable", "evdev", "passwd", "0.0.0.0", "4555"],
      ...["/var/log", "web-agent.sock", "sound.wav", "channel.log", "coredump", "poweroff'"],
      ...["/srv/", "golden", "br0", "6b7a1c9e", "/dev/vg", "interface", "metadata"],
    ]
  ) assert.ok(!text.includes(word), `"${word}" is left:\n${text}`);
  assert.match(text, /<source path='\/scratch\/console.log'\/>\s*<target type='isa-serial'/);
  assert.match(text, /<channel type='unix'>\s*<target type='virtio' name='org.qemu.guest_agent/);
  assert.match(text, /<tpm model='tpm-crb'>\s*<backend type='emulator' version='2.0'\/>/);
  assert.match(text, /<graphics type='vnc'>\s*<listen type='none'\/>\s*<\/graphics>/);
  assert.match(text, /<boot order='1'\/>/);
  assert.match(text, /<backend model='random'>\/dev\/urandom<\/backend>/);
  assert.match(text, /<loader [^>]*>\/usr\/share\/OVMF\/OVMF_CODE_4M.fd<\/loader>/);
  assert.match(text, /<entry name='uuid'>99999999-/);
  assert.equal(leftOut.length, 10 + 2, leftOut.join("\n"));
});

/** Texts that a share could hold in the place of an element, each with what must not be in the copy. */
const hostile: readonly (readonly [string, (xml: string) => string])[] = [
  ["canary", (text) => text.replace("</nvram>", "</nvram><loader>/canary</loader>")],
  ["canary", (text) => text.replace("<nvram>", "<nvram template='/canary'>")],
  ["canary", (text) => text.replace("/boot/gw-initrd", "/canary")],
  ["canary", (text) => text.replace("</os>", "<dtb>/canary</dtb></os>")],
  [
    "canary",
    (text) => text.replace("</os>", "<acpi><table type='slic'>/canary</table></acpi></os>"),
  ],
  ["canary", (text) => text.replace("</os>", "<shim>/canary</shim><initarg>canary</initarg></os>")],
  ["canary", (text) => text.replace("<os>", "<os><loader>/canary</loader></os><os>")],
  ["canary", (text) => text.replace("<devices>", "<devices><emulator>/canary</emulator>")],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='canary'/></q:commandline><devices>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='canary'/></commandline><devices>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<sysinfo type='fwcfg'><entry name='opt/x' file='/canary'/></sysinfo><devices>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<sysinfo type='smbios'><oemStrings><entry file='/canary'>x</entry></oemStrings></sysinfo><devices>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><tpm model='tpm-tis'><backend type='emulator'><source type='dir' path='/canary'/></backend></tpm>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><rng model='virtio'><backend model='random'>/canary</backend></rng>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><rng model='virtio'><backend model='egd' type='unix'><source path='/canary'/></backend></rng>",
    )],
  [
    "canary",
    (text) => text.replace("<mac ", "<rom file='/canary' bar='on'/><script path='/canary'/><mac "),
  ],
  ["canary", (text) => text.replace("<target dev='vda'", "<rom file='/canary'/><target dev='vda'")],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><channel type='unix'><target type='virtio' name='../../../etc/canary'/></channel>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><disk type='file'><source file='/canary'/><target dev='../vda'/></disk>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><disk type='file' device='cdrom'><source file='/canary'/><target dev='sda'/></disk>",
    )],
  ["canary", (text) =>
    text.replace(
      "<devices>",
      "<devices><memory model='nvdimm'><source><path>/canary</path></source><target><size>1</size></target></memory>",
    )],
  [
    "canary",
    (text) =>
      text.replace("<devices>", "<memoryBacking><source type='file'/></memoryBacking><devices>")
        .replace("q35", "q35,dumpdtb=/canary"),
  ],
  [
    "canary",
    (text) => text.replace("<devices>", "<devices><tomorrow from='/canary'>canary</tomorrow>"),
  ],
  [
    "canary",
    (text) =>
      text.replace("<devices>", "<cpu mode='custom'><model>a,canary</model></cpu><devices>"),
  ],
];

for (const [index, [word, change]] of hostile.entries()) {
  Deno.test(`testCopy takes no ${word} of the share's: ${index}`, () => {
    const changed = change(xml);
    assert.notEqual(changed, xml);
    let text;
    try {
      text = testCopy(changed, copy).xml;
    } catch (error) {
      assert.match(String(error), /firmware|Definition/);
      return;
    }
    assert.ok(!text.includes(word), text);
    assert.equal(text.match(/<os>/g)?.length, 1);
  });
}

Deno.test("testCopy refuses what libvirt would read otherwise, and what it cannot run", () => {
  for (
    const [changed, words] of [
      [`<!DOCTYPE domain [<!ATTLIST source file CDATA "/etc/shadow">]>${xml}`, /document type/],
      [xml.replace("<domain", "<domains").replace("</domain>", "</domains>"), /root element/],
      [xml.replace("'kvm'", "'xen'"), /none of a QEMU guest/],
      [xml.replace("GiB", "gigs"), /none of a QEMU guest/],
      [xml.replace(">4<", ">-4<"), /none of a QEMU guest/],
      [xml.replace("<nvram>", "<loader>/opt/own.fd</loader><nvram>"), /firmware \/opt\/own.fd/],
      [
        xml.replace("<devices>", `<devices>${"<x>".repeat(90)}${"</x>".repeat(90)}`),
        /nested too deeply/,
      ],
    ] as const
  ) assert.throws(() => testCopy(changed, copy), words);
});

Deno.test("testCopy counts what it takes of the host's memory, whatever element says it", () => {
  const cells = (memory: string) =>
    xml.replace("<os>", `<cpu mode='maximum'><numa>${memory}</numa></cpu><os>`);
  const dimm =
    "<memory model='dimm'><target><size unit='gib'>2</size><node>0</node></target></memory>";
  for (
    const [changed, gib] of [
      [xml, 4],
      [xml.replace("GiB", "gib"), 4],
      [xml.replace("GiB", "gIB"), 4],
      [xml.replace("GiB", "G"), 4],
      [xml.replace(" unit='GiB'>4<", ">2097152<"), 2],
      [xml.replace("'GiB'>4<", "'bytes'>1073741824<"), 1],
      [xml.replace("'GiB'>4<", "'TiB'>1<"), 1024],
      [cells("<cell id='0' cpus='0' memory='64' unit='GiB'/>"), 64],
      [cells("<cell id='0' memory='3' unit='g'/><cell id='1' memory='3' unit='g'/>"), 6],
      [xml.replace("<devices>", `<devices>${dimm}${dimm}`), 8],
      [xml.replace("<devices>", "<devices><video><model type='qxl' vram='1048576'/></video>"), 5],
      [
        xml.replace("<os>", "<features><tcg><tb-cache unit='G'>1</tb-cache></tcg></features><os>"),
        5,
      ],
    ] as const
  ) assert.equal(testCopy(changed, copy).memory / 2 ** 30, gib, changed);
});

Deno.test("bootFilesOf reads what a VM boots from without a boot loader", () => {
  assert.deepEqual(bootFilesOf(xml), ["/boot/gw-vmlinuz", "/boot/gw-initrd"]);
});
