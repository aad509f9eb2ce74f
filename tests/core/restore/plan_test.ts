import assert from "node:assert/strict";
import { tpmStateFolder } from "../../../core/libvirt/tpm_state.ts";
import { type PlanOptions, planRestore } from "../../../core/restore/plan.ts";
import type { RestoreRequest } from "../../../core/restore/request.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import { tiedDomain } from "./domains.ts";

const uuid = "6b7a1c9e-3f52-4d0e-9a41-0c5d8f2b7e11";
const images = "/var/lib/libvirt/images";
const variables = "/var/lib/libvirt/qemu/nvram";

function xmlWith({ nvram = "", tpm = "" }: { nvram?: string; tpm?: string } = {}): string {
  return `<domain type='kvm'>
  <name>gw</name>
  <uuid>${uuid}</uuid>
  <memory>1048576</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type>${nvram}</os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/old/gw.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <tpm model='tpm-crb'><backend type='emulator'>${tpm}</backend></tpm>
  </devices>
</domain>
`;
}

interface Case {
  readonly xml?: string;
  readonly name?: string;
  /** The VM as this host defines it today, which is replaced. */
  readonly present?: string;
  readonly vm?: { readonly name: string; readonly uuid: string };
  readonly target?: string;
  readonly nvram?: Uint8Array;
  readonly request?: Partial<RestoreRequest>;
  /** Another VM of this host. */
  readonly neighbour?: string;
}

async function plan(
  { xml = xmlWith(), name, present, vm, target = "vda", nvram, request, neighbour }: Case,
) {
  const disk = {
    target,
    ...{ file: "gw-vda.qcow2", virtualSize: 10, sourceFormat: "qcow2" },
    ...{ compression: "none", storedBytes: 10, readBytes: 10 },
  };
  const folder = { kind: "directory" };
  const options = {
    system: {
      host: { env: () => undefined },
      files: {
        inspect: () => Promise.resolve(undefined),
        inspectTarget: (path: string) =>
          Promise.resolve(
            [images, variables, "/etc", "/etc/cron.d"].includes(path) ? folder : undefined,
          ),
      },
    },
    backup: {
      folder: "/backup/hv1/gw/1",
      address: { hypervisor: "hv1", vm: "gw", id: "1" },
      manifest: {
        ...{ vm: vm ?? { name: "gw", uuid }, instant: "", autostart: false, disks: [disk] },
        files: [{ name: "gw-vda.qcow2", role: "disk", size: 10, sha256: "0" }],
      },
    },
    files: {
      xml,
      nvram: { name: "gw-nvram.fd", content: nvram ?? new Uint8Array(8) },
      tpm: new Uint8Array(8),
    },
    facts: {
      domains: [present, neighbour].filter((each) => each !== undefined).map((each) => {
        const description = describeDomain(each);
        return { ...description, state: "shut off", xml: each, description };
      }),
      networks: new Map(),
      pools: new Set(),
      emulators: new Set(["/usr/bin/qemu-system-x86_64"]),
      firmware: new Set(["/usr/share/OVMF/OVMF_CODE_4M.fd"]),
    },
    request: {
      ...{ vm: "gw", id: "latest", name, replace: present !== undefined, imageDir: undefined },
      ...{ format: "keep", network: { kind: "keep" }, start: false, instant: false },
      ...{ trustDefinition: false, keepOtherDisks: false, ...request },
    },
    ...{ imageDir: images, libvirtUri: "qemu:///system", suffix: "now" },
  } as unknown as PlanOptions;
  return await planRestore(options);
}

Deno.test("planRestore writes UEFI variables where variables lie, whatever path the backup names", async () => {
  for (
    const [path, lost, clone] of [
      [`${variables}/gw_VARS.fd`, `${variables}/gw_VARS.fd`, `${variables}/new_VARS.fd`],
      [`${variables}/odd.raw`, `${variables}/odd.raw`, `${variables}/new_VARS.raw`],
      [`${images}/gw.fd`, `${images}/gw.fd`, `${images}/new_VARS.fd`],
      ["/etc/cron.d/root", `${images}/gw_VARS.fd`, `${images}/new_VARS.fd`],
      [`${variables}/../../../../../etc/cron.d/x`, `${images}/gw_VARS.fd`, `${images}/new_VARS.fd`],
      [`${variables}/sub/x.fd`, `${images}/gw_VARS.fd`, `${images}/new_VARS.fd`],
      [`${variables}/..`, `${variables}/gw_VARS.fd`, `${variables}/new_VARS.fd`],
      [`${variables}/.hidden`, `${variables}/gw_VARS.hidden`, `${variables}/new_VARS.hidden`],
      ["relative.fd", `${images}/gw_VARS.fd`, `${images}/new_VARS.fd`],
    ] as const
  ) {
    for (
      const nvram of [
        `<nvram>${path}</nvram>`,
        `<nvram template='/T.fd' type='file'><source file='${path}'/></nvram>`,
      ]
    ) {
      const xml = xmlWith({ nvram });
      const restored = await plan({ xml });
      assert.equal(restored.nvram, lost, path);
      assert.equal(describeDomain(restored.xml).nvram, lost);
      const cloned = await plan({ xml, name: "new" });
      assert.equal(cloned.nvram, clone, path);
      assert.equal(describeDomain(cloned.xml).nvram, clone);
    }
  }
});

Deno.test("planRestore takes other paths only of the VM that it replaces, as this host defines it today", async () => {
  const own = { nvram: "<nvram>/data/gw.fd</nvram>", tpm: "<source type='dir' path='/data/tpm'/>" };
  const xml = xmlWith(own);
  const replaced = await plan({ xml, present: xml });
  assert.deepEqual([replaced.nvram, replaced.tpm], ["/data/gw.fd", "/data/tpm"]);
  assert.match(replaced.xml, /path='\/data\/tpm'/);
  const state = tpmStateFolder({ env: () => undefined }, "qemu:///system", uuid);
  for (
    const present of [undefined, xmlWith(), xmlWith({ tpm: "<source type='dir' path='/x'/>" })]
  ) {
    const planned = await plan({ xml, ...present === undefined ? {} : { present } });
    assert.deepEqual([planned.nvram, planned.tpm], [`${images}/gw_VARS.fd`, state]);
    assert.doesNotMatch(planned.xml, /\/data\/tpm/);
  }
});

Deno.test("planRestore refuses names of a manifest that lead elsewhere", async () => {
  for (const target of ["../../../root/x", "vda/..", "", ".", "vda\n", "-vda", "nvme0", "vd"]) {
    await assert.rejects(plan({ target }), /disk target/, target);
  }
  for (const name of ["../gw", "a/b", ".gw", "-gw", "", "g\nw", "g\u0000w"]) {
    await assert.rejects(plan({ vm: { name, uuid } }), /has the name/, name);
  }
  for (const other of ["../x", uuid.toUpperCase(), `${uuid}/`, "", `${uuid}\n`]) {
    await assert.rejects(plan({ vm: { name: "gw", uuid: other } }), /has the UUID/, other);
  }
  for (const target of ["vda", "sdaa", "hdc", "fda", "xvda1"]) await plan({ target });
});

Deno.test("planRestore refuses UEFI variables that stand on a file of the host", async () => {
  const image = (change: (view: DataView) => void) => {
    const bytes = new Uint8Array(4096);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x514649fb);
    view.setUint32(4, 3);
    view.setUint32(20, 16);
    view.setUint32(96, 4);
    view.setUint32(100, 104);
    change(view);
    return bytes;
  };
  for (
    const nvram of [
      image((view) => view.setBigUint64(8, 512n)),
      image((view) => view.setBigUint64(72, 4n)),
      image((view) => view.setUint32(4, 2)),
    ]
  ) await assert.rejects(plan({ nvram }), /does not stand alone/);
  await plan({ nvram: new TextEncoder().encode("QFI, but of another kind") });
});

/** A device of the definition, and a word of it that must not be in a clone. */
const shared: readonly (readonly [string, string])[] = [
  ["<disk type='file'><source file='/data/x.raw'/><target dev='vdb'/></disk>", "x.raw"],
  ["<disk type='block'><source dev='/dev/sda'/><target dev='vdb'/></disk>", "/dev/sda"],
  [
    "<disk type='network'><source protocol='nbd' name='e'><host transport='unix' socket='/run/n'/></source><target dev='vdb'/></disk>",
    "/run/n",
  ],
  ["<disk type='volume'><source pool='p' volume='v'/><target dev='vdb'/></disk>", "volume"],
  [
    "<disk type='nvme'><source type='pci' managed='yes' namespace='1'><address domain='0' bus='1' slot='0' function='0'/></source><target dev='vdb'/></disk>",
    "nvme",
  ],
  [
    "<disk type='vhostuser'><source type='unix' path='/run/blk'/><target dev='vdb'/></disk>",
    "/run/blk",
  ],
  ["<disk type='dir'><source dir='/srv/fat'/><target dev='vdb'/></disk>", "/srv/fat"],
  [
    "<memory model='nvdimm'><source><path>/data/pmem</path></source><target><size>65536</size></target></memory>",
    "pmem",
  ],
  [
    "<memory model='virtio-pmem'><source><path>/data/pmem</path></source><target><size>1</size></target></memory>",
    "pmem",
  ],
  ["<memory model='sgx-epc'><target><size>1</size></target></memory>", "sgx"],
  ["<shmem name='hvb'><model type='ivshmem-plain'/></shmem>", "hvb"],
  [
    "<shmem name='s'><model type='ivshmem-doorbell'/><server path='/run/ivshmem'/></shmem>",
    "ivshmem",
  ],
  ["<graphics type='vnc'><listen type='socket' socket='/run/vnc.sock'/></graphics>", "vnc.sock"],
  ["<graphics type='vnc' socket='/run/vnc.sock'/>", "vnc.sock"],
  ["<graphics type='vnc' port='5907' autoport='no'/>", "5907"],
  [
    "<graphics type='spice' tlsPort='5908' autoport='no'><gl enable='yes' rendernode='/dev/dri/renderD128'/></graphics>",
    "renderD128",
  ],
  ["<graphics type='sdl' display=':0' xauth='/root/.Xauthority'/>", "Xauthority"],
  [
    "<interface type='bridge'><source bridge='br0'/><virtualport type='openvswitch'><parameters interfaceid='abcdabcd-1111-2222-3333-444444444444'/></virtualport></interface>",
    "interfaceid",
  ],
  [
    "<interface type='direct'><source dev='eth7' mode='passthrough'/></interface>",
    "eth7",
  ],
  [
    "<interface type='vhostuser'><source type='unix' path='/run/vhost' mode='client'/></interface>",
    "/run/vhost",
  ],
  ["<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", "vdpa"],
  ["<interface type='server'><source address='192.0.2.7' port='5558'/></interface>", "192.0.2.7"],
  ["<interface type='ethernet'><script path='/etc/own-ifup'/></interface>", "own-ifup"],
  [
    "<interface type='user'><backend type='passt' logFile='/var/log/p'/><portForward proto='tcp'><range start='2222' to='22'/></portForward></interface>",
    "2222",
  ],
  [
    "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/></source></hostdev>",
    "0x1234",
  ],
  [
    "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='aaaaaaaa-1111-2222-3333-444444444444'/></source></hostdev>",
    "aaaaaaaa",
  ],
  [
    "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host7'/><address bus='0' target='0' unit='0'/></source></hostdev>",
    "scsi_host7",
  ],
  [
    "<hostdev mode='capabilities' type='storage'><source><block>/dev/sdf1</block></source></hostdev>",
    "sdf1",
  ],
  ["<filesystem type='mount'><source dir='/srv/x'/><target dir='t'/></filesystem>", "/srv/x"],
  [
    "<filesystem type='mount'><driver type='virtiofs'/><source socket='/run/vfs'/><target dir='t'/></filesystem>",
    "/run/vfs",
  ],
  ["<serial type='dev'><source path='/dev/ttyS7'/></serial>", "ttyS7"],
  ["<serial type='file'><source path='/data/serial.log'/></serial>", "serial.log"],
  ["<serial type='pty'><log file='/data/serial.log'/></serial>", "serial.log"],
  ["<parallel type='dev'><source path='/dev/parport0'/></parallel>", "parport0"],
  [
    "<channel type='pipe'><source path='/run/pipe'/><target type='virtio' name='x'/></channel>",
    "/run/pipe",
  ],
  ["<channel type='unix'><target type='virtio' name='../../x'/></channel>", "../x"],
  [
    "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>",
    "/dev/tpm0",
  ],
  [
    "<tpm model='tpm-tis'><backend type='external'><source type='unix' mode='connect' path='/run/tpm'/></backend></tpm>",
    "/run/tpm",
  ],
  [
    "<rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='192.0.2.7' service='708'/></backend></rng>",
    "192.0.2.7",
  ],
  ["<rng model='virtio'><backend model='random'>/dev/hw7</backend></rng>", "hw7"],
  ["<input type='passthrough' bus='virtio'><source evdev='/dev/input/event7'/></input>", "event7"],
  [
    "<smartcard mode='host-certificates'><certificate>c1</certificate><database>/etc/pki/nssdb</database></smartcard>",
    "nssdb",
  ],
  [
    "<redirdev bus='usb' type='tcp'><source mode='connect' host='192.0.2.7' service='4000'/></redirdev>",
    "192.0.2.7",
  ],
  [
    "<video><driver name='vhostuser'/><model type='virtio'><acceleration rendernode='/dev/dri/renderD7'/></model></video>",
    "renderD7",
  ],
  ["<audio id='1' type='oss'><input dev='/dev/dsp7'/></audio>", "dsp7"],
  [
    "<lease><lockspace>l</lockspace><key>k</key><target path='/data/lease'/></lease>",
    "/data/lease",
  ],
  ["<pstore backend='acpi-erst'><path>/data/pstore</path><size>65536</size></pstore>", "pstore"],
  ["<sound model='ich9'><rom file='/data/rom.bin'/></sound>", "rom.bin"],
  ["<controller type='scsi' index='7'><rom file='/data/rom.bin'/></controller>", "rom.bin"],
  ["<emulator>/opt/own/qemu</emulator>", "/opt/own"],
  ["<tomorrow at='/data/x'/>", "tomorrow"],
];

const withDevice = (device: string) => xmlWith().replace("<devices>", `<devices>${device}`);

Deno.test("planRestore of a clone leaves out whatever the original holds outside of the backup, and names it", async () => {
  for (const [device, word] of shared) {
    const planned = await plan({ xml: withDevice(device), name: "new" });
    assert.ok(!planned.xml.includes(word), `${device}\n${planned.xml}`);
    assert.equal(planned.hostTies.length, 0);
    const fixedPort = /port='5907'|tlsPort/.test(device);
    if (!fixedPort) assert.ok(planned.leftOut.length > 0, device);
    assert.match(planned.xml, /new-vda\.qcow2/);
  }
});

Deno.test("planRestore names what a restored VM would use of its host, unless it has it today", async () => {
  /** Ordinary for a VM that is restored as itself, or closed and said. */
  const free =
    /5907|tlsPort='5908' autoport='no'><gl enable='no|interfaceid|serial type|parallel type|channel type='pipe|<log|>\/usr/;
  for (const [device] of shared) {
    const xml = withDevice(device);
    const { hostTies, leftOut } = await plan({ xml });
    if (free.test(device)) {
      assert.deepEqual(hostTies, [], device);
      continue;
    }
    assert.ok(hostTies.length > 0, device);
    const again = await plan({ xml, present: xml });
    assert.deepEqual([again.hostTies, again.leftOut], [[], []], device);
    const other = await plan({ xml, present: xmlWith() });
    assert.deepEqual(other.hostTies, hostTies, device);
    assert.deepEqual(leftOut, []);
  }
});

Deno.test("planRestore wants nobody's word for a VM with ordinary devices", async () => {
  const ordinary = [
    "<emulator>/usr/bin/qemu-system-x86_64</emulator>",
    "<emulator>/usr/libexec/qemu-kvm</emulator>",
    `<disk type='file'><source file='${images}/data.raw'/><target dev='vdb'/></disk>`,
    "<interface type='bridge'><source bridge='br0'/><target dev='vnet7'/><model type='virtio'/><driver name='vhost' queues='4'/></interface>",
    "<interface type='direct'><source dev='eth1' mode='bridge'/><model type='virtio'/></interface>",
    "<serial type='pty'><target type='isa-serial' port='0'><model name='isa-serial'/></target></serial>",
    "<console type='pty' tty='/dev/pts/3'><target type='serial' port='0'/></console>",
    "<channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/></channel>",
    "<channel type='unix'><source mode='bind' path='/var/lib/libvirt/qemu/channel/target/d/org.qemu.guest_agent.0'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
    "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
    "<graphics type='spice' autoport='yes'><listen type='address'/><image compression='off'/></graphics>",
    "<graphics type='vnc' port='5907' autoport='no' listen='127.0.0.1'/>",
    "<redirdev bus='usb' type='spicevmc'/><audio id='1' type='spice'/><sound model='ich9'/>",
    "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "<vsock model='virtio'><cid auto='no' address='7'/></vsock>",
    "<memballoon model='virtio'><stats period='5'/><alias name='balloon0'/></memballoon>",
    "<video><model type='virtio' heads='1' primary='yes' tomorrow='yes'/></video>",
  ];
  const tuning =
    `<memoryBacking><hugepages/></memoryBacking><cputune><vcpupin vcpu='0' cpuset='3'/></cputune><numatune><memory mode='strict' nodeset='0'/></numatune><resource><partition>/machine</partition></resource><seclabel type='dynamic' model='selinux' relabel='yes'/><devices>`;
  for (const device of ordinary) {
    const { hostTies } = await plan({
      xml: withDevice(device).replace("<devices>", tuning),
    });
    assert.deepEqual(hostTies, [], device);
  }
});

Deno.test("planRestore takes boot files, labels and command lines only for somebody's word", async () => {
  const changes: readonly (readonly [string, string])[] = [
    ["</os>", "<kernel>/boot/vmlinuz</kernel></os>"],
    ["</os>", "<dtb>/etc/shadow</dtb></os>"],
    ["</os>", "<initrd>vmlinuz</initrd></os>"],
    ["</os>", "<loader type='pflash' readonly='no'>/data/code.fd</loader></os>"],
    ["</os>", "<nvram template='/etc/shadow'/></os>"],
    ["</os>", "<acpi><table type='slic'>/etc/shadow</table></acpi></os>"],
    ["<devices>", "<seclabel type='static' model='dac'><label>+0:+0</label></seclabel><devices>"],
    ["<devices>", "<seclabel type='none'/><devices>"],
    [
      "<devices>",
      "<sysinfo type='fwcfg'><entry name='opt/x' file='/etc/shadow'/></sysinfo><devices>",
    ],
    [
      "<devices>",
      "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-x'/></q:commandline><devices>",
    ],
    [
      "<devices>",
      "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-x'/></commandline><devices>",
    ],
    ["<devices>", "<memoryBacking><source type='file'/></memoryBacking><devices>"],
    [
      "<devices>",
      "<blkiotune><device><path>/dev/sda</path><weight>1</weight></device></blkiotune><devices>",
    ],
    ["type='kvm'", "type='xen'"],
  ];
  for (const [from, to] of changes) {
    const xml = xmlWith().replace(from, to);
    assert.ok((await plan({ xml })).hostTies.length > 0, to);
    const boots = /kernel|loader|dtb|initrd/.test(to);
    const clone = plan({ xml, name: "new" });
    if (to.includes("xen")) await assert.rejects(clone, /none of a QEMU guest/);
    else assert.equal((await clone).hostTies.length > 0, boots, to);
    if (boots) {
      const trusted = await plan({ xml, name: "new", request: { trustDefinition: true } });
      assert.deepEqual(trusted.hostTies, []);
    }
  }
});

Deno.test("planRestore of a clone shares the disks that were left out only when asked to", async () => {
  const { xml, leftOut } = await plan({
    xml: tiedDomain,
    name: "new",
    request: { keepOtherDisks: true },
  });
  assert.match(xml, /web-data\.qcow2[^]*\/srv\/shared\.img[^]*install\.iso/);
  assert.doesNotMatch(xml, /hostdev|\/srv\/shared'|shmem/);
  assert.ok(leftOut.every((each) => !each.startsWith("disk")), leftOut.join("\n"));
});

Deno.test("planRestore takes no image of another VM, nor a medium from elsewhere, for a disk that was left out", async () => {
  const other = (path: string, device = "disk") =>
    withDevice(
      `<disk type='file' device='${device}'><source file='${path}'/><target dev='sdb'/></disk>`,
    );
  for (
    const [path, free] of [
      [`${images}/data.raw`, true],
      [`${images}/../../../../etc/shadow`, false],
      [`${images}//x`, false],
      [`${images}-other/x`, false],
      ["/dev/sda", false],
      ["/etc/shadow", false],
    ] as const
  ) {
    assert.equal((await plan({ xml: other(path) })).hostTies.length === 0, free, path);
    const { emptied, xml } = await plan({ xml: other(path, "cdrom") });
    // Of this host only the folders are there.
    assert.deepEqual(emptied, ["sdb"]);
    assert.ok(!xml.includes(`'${path}'`));
  }
  const neighbour = xmlWith().replace("/old/gw.qcow2", `${images}/other.qcow2`)
    .replaceAll(uuid, "11111111-3f52-4d0e-9a41-0c5d8f2b7e11").replace("<name>gw<", "<name>o<");
  const { hostTies } = await plan({ xml: other(`${images}/other.qcow2`), neighbour });
  assert.match(hostTies.join(), /other\.qcow2/);
});
