import assert from "node:assert/strict";
import { iothreadDisks } from "../../../core/libvirt/iothread.ts";

const disk = (target: string, bus: string, inner: string) =>
  `<disk type='file' device='disk'><driver name='qemu' type='raw'/><target dev='${target}' bus='${bus}'/>${inner}</disk>`;
const withDriver = (target: string, attributes: string, children = "") =>
  `<disk type='file' device='disk'><driver name='qemu' ${attributes}>${children}</driver><target dev='${target}' bus='virtio'/></disk>`;
const drive = (controller: number) => `<address type='drive' controller='${controller}' bus='0'/>`;
const scsi = (index: number, driver: string) =>
  `<controller type='scsi' index='${index}' model='virtio-scsi'>${driver}</controller>`;

const table: readonly (readonly [string, string, readonly string[]])[] = [
  ["none", disk("vda", "virtio", ""), []],
  ["virtio-blk", withDriver("vda", "iothread='1'") + disk("vdb", "virtio", ""), ["vda"]],
  [
    "a list of iothreads",
    withDriver("vda", "queues='2'", "<iothreads><iothread id='1'/></iothreads>"),
    ["vda"],
  ],
  [
    "virtio-scsi, by the controller",
    scsi(0, "") + scsi(1, "<driver iothread='2'/>") +
    disk("sda", "scsi", drive(0)) + disk("sdb", "scsi", drive(1)) + disk("vda", "virtio", ""),
    ["sdb"],
  ],
  [
    "virtio-scsi without an address",
    scsi(0, "<driver queues='4'><iothreads><iothread id='1'/></iothreads></driver>") +
    disk("sda", "scsi", ""),
    ["sda"],
  ],
  [
    "another kind of controller",
    "<controller type='sata' index='0'><driver iothread='1'/></controller>" +
    disk("sda", "sata", drive(0)),
    [],
  ],
];

Deno.test("iothreadDisks finds the disks that an iothread serves", () => {
  for (const [name, devices, expected] of table) {
    const xml = `<domain><devices>${devices}</devices></domain>`;
    assert.deepEqual([...iothreadDisks(xml)], expected, name);
  }
  assert.deepEqual([...iothreadDisks("<domain/>")], []);
});
