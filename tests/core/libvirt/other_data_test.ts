import assert from "node:assert/strict";
import { otherData } from "../../../core/libvirt/other_data.ts";

type Found = readonly [use: string, kind: RegExp, source: string];

/** Parts of a domain beside its devices, devices, and what of both is no disk. */
const table: readonly [rest: string, devices: string, found: readonly Found[]][] = [
  ["", "<disk type='file'><source file='/a'/><target dev='vda'/></disk>", []],
  [
    "<os><type>hvm</type><kernel>/k</kernel><initrd>/i</initrd><dtb>/d</dtb><acpi><table type='slic'>/slic</table></acpi></os>",
    "",
    [["boot", /^kernel$/, "/k"], ["boot", /initrd/, "/i"], ["boot", /dtb/, "/d"], [
      "boot",
      /ACPI/,
      "/slic",
    ]],
  ],
  ["<os><varstore template='/t' path='/v.json'/></os>", "", [["boot", /variable/, "/v.json"]]],
  [
    "<sysinfo type='fwcfg'><entry name='opt/a' file='/a.ign'/><entry name='opt/b'>text</entry></sysinfo><sysinfo type='smbios'><system><entry name='serial'>1</entry></system></sysinfo>",
    "",
    [["boot", /fw_cfg/, "/a.ign"]],
  ],
  [
    "",
    "<memory model='nvdimm'><source><path>/pmem</path></source></memory><memory model='virtio-pmem'><source><path>/pmem2</path></source></memory><memory model='dimm'><target/></memory>",
    [["data", /^nvdimm memory$/, "/pmem"], ["data", /^virtio-pmem memory$/, "/pmem2"]],
  ],
  [
    "",
    "<filesystem type='mount'><source dir='/srv/share'/><target dir='t'/></filesystem><filesystem type='mount'><driver type='virtiofs'/><source socket='/v.sock'/></filesystem><filesystem type='block'><source dev='/dev/x'/></filesystem>",
    [["data", /shared folder/, "/srv/share"], ["data", /shared folder/, "/v.sock"], [
      "data",
      /shared folder/,
      "/dev/x",
    ]],
  ],
  ["", "<shmem name='ring'/><shmem name='r2'><server path='/s.sock'/></shmem>", [
    ["data", /shared memory/, "ring"],
    ["data", /shared memory/, "/s.sock"],
  ]],
  [
    "",
    `<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source></hostdev>
     <hostdev mode='subsystem' type='scsi' ><source protocol='iscsi' name='iqn.x/1'/></hostdev>
     <hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5'/></hostdev>
     <hostdev mode='subsystem' type='pci'><source><address domain='0x0' bus='0x1' slot='0x0' function='0x0'/></source></hostdev>
     <hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/></source></hostdev>`,
    [
      ["data", /scsi/, "0:0:0"],
      ["data", /scsi/, "iqn.x/1"],
      ["data", /scsi_host/, "naa.5"],
      ["host", /pci/, "0x0:0x1:0x0:0x0"],
      ["host", /usb/, "?"],
    ],
  ],
  [
    "",
    "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm><tpm><backend type='external'><source type='unix' path='/t.sock'/></backend></tpm><tpm><backend type='emulator'/></tpm>",
    [["data", /TPM \(passthrough\)/, "/dev/tpm0"], ["data", /TPM \(external\)/, "/t.sock"]],
  ],
  ["", "<interface type='bridge'><rom file='/rom.bin'/></interface>", [[
    "boot",
    /ROM/,
    "/rom.bin",
  ]]],
  ["", "<pstore backend='acpi-erst'><path>/p</path></pstore>", [["data", /store/, "/p"]]],
  ["", "<holodeck file='/x'/>", [["data", /does not know/, "<holodeck>"]]],
  [
    `<qemu:commandline>${
      [
        ...["-drive", "if=none,format=raw,file=/c.raw", "-fw_cfg", "name=opt/x,file=/a,,b.ign"],
        ...["-fw_cfg", "name=opt/y,string=z", "-device", "virtio-blk-pci,drive=x"],
        ...["-object", "memory-backend-file,id=m,mem-path=/dev/shm/m,size=1G", "-D", "/log"],
        ...["-device", "vhost-user-blk-pci,chardev=c", "-chardev", "socket,id=c,path=/s.sock"],
        ...["-cpu", "host", "-hdb", "/h.img", "-blockdev", '{"driver":"nbd"}', "--virtfs", "local"],
      ].map((value) => `<qemu:arg value='${value}'/>`).join("")
    }</qemu:commandline>`,
    "",
    [
      ["data", /^-drive of qemu:commandline$/, "if=none,format=raw,file=/c.raw"],
      ["boot", /^-fw_cfg/, "/a,b.ign"],
      ["data", /^-object/, "memory-backend-file,id=m,mem-path=/dev/shm/m,size=1G"],
      ["data", /^-device/, "vhost-user-blk-pci,chardev=c"],
      ["data", /^-hdb/, "/h.img"],
      ["data", /^-blockdev/, '{"driver":"nbd"}'],
      ["data", /^-virtfs/, "local"],
    ],
  ],
];

Deno.test("otherData names whatever a domain uses of its host that is no disk", () => {
  for (const [rest, devices, expected] of table) {
    const found = otherData(
      `<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>${rest}<devices>${devices}</devices></domain>`,
    );
    assert.deepEqual(
      found.map(({ use, source }) => [use, source]),
      expected.map(([use, , source]) => [use, source]),
      rest + devices,
    );
    for (const [index, [, kind]] of expected.entries()) {
      assert.match(found[index]?.kind ?? "", kind);
    }
  }
});

const schema = await Deno.readTextFile("/usr/share/libvirt/schemas/domaincommon.rng")
  .catch(() => undefined);

Deno.test({
  name: "otherData knows every device of the installed libvirt's schema",
  ignore: schema === undefined,
  fn() {
    const start = schema?.indexOf('<define name="devices">') ?? 0;
    const devices = schema?.slice(start, schema.indexOf("</define>", start)) ?? "";
    const names = [...devices.matchAll(/<(?:ref|element) name="(\w+)"\/?>/g)]
      .map(([, name = ""]) => name)
      .filter((name) => schema?.includes(`<element name="${name}">`) && name !== "devices");
    assert.ok(names.length > 15, `only ${names.join(", ")}`);
    const unknown = names.filter((name) =>
      otherData(`<domain><devices><${name}/></devices></domain>`)
        .some(({ kind }) => /does not know/.test(kind))
    );
    assert.deepEqual(unknown, []);
  },
});
