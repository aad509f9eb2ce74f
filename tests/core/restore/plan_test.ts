import assert from "node:assert/strict";
import { tpmStateFolder } from "../../../core/libvirt/tpm_state.ts";
import { type PlanOptions, planRestore } from "../../../core/restore/plan.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";

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
}

async function plan({ xml = xmlWith(), name, present, vm, target = "vda", nvram }: Case) {
  const disk = {
    target,
    ...{ file: "gw-vda.qcow2", fileSize: 10, sha256: "0", virtualSize: 10, sourceFormat: "qcow2" },
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
      manifest: { vm: vm ?? { name: "gw", uuid }, instant: "", autostart: false, disks: [disk] },
    },
    files: {
      xml,
      nvram: { name: "gw-nvram.fd", content: nvram ?? new Uint8Array(8) },
      tpm: new Uint8Array(8),
    },
    facts: {
      domains: present === undefined ? [] : [{
        ...{ name: "gw", uuid, state: "shut off", xml: present },
        description: describeDomain(present),
      }],
      networks: new Map(),
      pools: new Set(),
    },
    request: {
      ...{ vm: "gw", id: "latest", name, replace: present !== undefined, imageDir: undefined },
      ...{ format: "keep", network: { kind: "keep" }, start: false, instant: false },
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
