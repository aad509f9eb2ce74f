import assert from "node:assert/strict";
import { selectDisks } from "../../../core/survey/disk_policy.ts";
import type { DomainDisk } from "../../../core/libvirt/domain_xml.ts";

const everything = { disks: { include: undefined, exclude: [] } };

Deno.test("selectDisks takes, leaves out or refuses a disk by what it is", () => {
  const table: readonly [Partial<DomainDisk>, "taken" | RegExp, "skipped"?][] = [
    [{}, "taken"],
    [{ format: "raw", type: "block", source: "/dev/vg/x" }, "taken"],
    [{ device: "cdrom", source: undefined }, /removable medium \(cdrom\)/, "skipped"],
    [{ device: "floppy" }, /removable medium \(floppy\)/, "skipped"],
    [{ readonly: true }, "taken"],
    [{ readonly: true, type: "block", format: "raw", source: "/dev/vg/x" }, "taken"],
    [{ readonly: true, shareable: true }, "taken"],
    [{ readonly: true, device: "cdrom" }, /removable medium/, "skipped"],
    [{ device: "cdrom", type: "network" }, /removable/, "skipped"],
    [{ device: "lun", type: "block" }, /SCSI LUN/],
    [{ shareable: true }, /is shareable/],
    [{ transient: true }, /is transient/],
    [{ type: "network", source: undefined }, "taken"],
    [{ type: "volume", source: undefined }, "taken"],
    [{ type: "dir", source: undefined }, /of type "dir", which no method can read/],
    [{ type: "nvme", source: undefined }, /of type "nvme"/],
    [{ type: "vhostuser", source: undefined }, /of type "vhostuser"/],
    [{ source: undefined }, /has no source/],
    [{ source: "/scratch/vmb-1/vda.overlay" }, /overlay/],
    [{ format: "vmdk" }, /has the format "vmdk", not qcow2 or raw/],
  ];
  for (const [changes, expected, kind] of table) {
    const { chosen, skipped, problems } = selectDisks(
      [disk("vda", changes), disk("vdz")],
      everything,
      "/scratch",
    );
    const label = JSON.stringify(changes);
    if (expected === "taken") {
      assert.deepEqual(chosen.map(({ target }) => target), ["vda", "vdz"], label);
      assert.deepEqual(problems, []);
      continue;
    }
    assert.deepEqual(chosen.map(({ target }) => target), ["vdz"], label);
    const told = kind === "skipped"
      ? skipped.map(({ reason }) => reason)
      : problems.map(({ text }) => text);
    assert.equal(told.length, 1, label);
    assert.match(told[0] ?? "", expected);
    assert.equal(problems.length + skipped.length, 1);
  }
});

Deno.test("selectDisks lets the list decide before the kind does", () => {
  const disks = [disk("vda"), disk("vdb", { shareable: true }), disk("vdc")];
  const targets = (entry: Parameters<typeof selectDisks>[1]) => {
    const { chosen, skipped, problems } = selectDisks(disks, entry, "/scratch");
    return [
      chosen.map(({ target }) => target),
      skipped.map(({ disk }) => disk.target),
      problems.map(({ text }) => text),
    ];
  };
  assert.deepEqual(targets({ disks: { include: undefined, exclude: ["vdb"] } }), [
    ["vda", "vdc"],
    ["vdb"],
    [],
  ]);
  assert.deepEqual(targets({ disks: { include: ["vda"], exclude: [] } }), [
    ["vda"],
    ["vdb", "vdc"],
    [],
  ]);
  assert.deepEqual(targets({ disks: { include: ["vda", "vdx"], exclude: ["vdy"] } })[2], [
    'disk "vdx" of vm-list.yaml is no disk of the VM (it has vda, vdb, vdc)',
    'disk "vdy" of vm-list.yaml is no disk of the VM (it has vda, vdb, vdc)',
  ]);
});

Deno.test("selectDisks names in its hint the disk that it speaks of, and what helps", () => {
  const { problems } = selectDisks(
    [disk("sdc", { type: "nvme" }), disk("vdb", { source: "/scratch/vmb-1/vdb.overlay" })],
    everything,
    "/scratch",
  );
  assert.deepEqual(problems.map(({ hint }) => hint), [
    "If it needs no backup, exclude it in vm-list.yaml: disks: { exclude: [sdc] }",
    "Run: vmb hv recover",
  ]);
});

Deno.test("selectDisks of a VM without any disk to take is a problem", () => {
  assert.deepEqual(selectDisks([], everything, "/scratch").problems, [
    { text: "no disk is left to back up", hint: undefined },
  ]);
  assert.deepEqual(
    selectDisks([disk("sda", { device: "cdrom" })], everything, "/scratch").problems,
    [{ text: "no disk is left to back up", hint: undefined }],
  );
});

function disk(target: string, changes: Partial<DomainDisk> = {}): DomainDisk {
  return {
    target,
    bus: "virtio",
    device: "disk",
    type: "file",
    format: "qcow2",
    source: `/srv/${target}.qcow2`,
    readonly: false,
    shareable: false,
    transient: false,
    encrypted: false,
    backing: [],
    mirror: undefined,
    ...changes,
  };
}
