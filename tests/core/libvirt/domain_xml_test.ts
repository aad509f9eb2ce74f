import fc from "fast-check";
import assert from "node:assert/strict";
import { describeDomain, withDisksOf } from "../../../core/libvirt/domain_xml.ts";
import { VmbError } from "../../../core/error.ts";

const rich = await fixture("rich.xml");
const plain = await fixture("plain.xml");

const bare = {
  readonly: false,
  shareable: false,
  transient: false,
  encrypted: false,
  backing: [],
  mirror: undefined,
  source: undefined,
};

Deno.test("describeDomain reads every kind of disk, and none from comments, metadata and CDATA", () => {
  assert.deepEqual(describeDomain(rich).disks, [
    {
      ...bare,
      target: "vda",
      bus: "virtio",
      device: "disk",
      type: "file",
      format: "qcow2",
      source: '/srv/büro/a&b <1> "q".qcow2',
      backing: [
        { format: "qcow2", source: "/srv/base/middle.qcow2" },
        { format: "raw", source: "/dev/vg0/golden" },
      ],
    },
    {
      ...bare,
      target: "vdb",
      bus: "virtio",
      device: "disk",
      type: "block",
      format: "raw",
      source: "/dev/disk/by-id/wwn-0x5000",
      mirror: { job: "active-commit", ready: true },
    },
    { ...bare, target: "vdc", bus: "virtio", device: "disk", type: "network", format: "raw" },
    {
      ...bare,
      target: "vdd",
      bus: "virtio",
      device: "disk",
      type: "volume",
      format: "qcow2",
      transient: true,
      encrypted: true,
    },
    {
      ...bare,
      target: "vde",
      bus: "virtio",
      device: "disk",
      type: "file",
      format: "qcow2",
      source: "/srv/clone.qcow2",
      backing: [{ format: "raw", source: "network" }],
    },
    {
      ...bare,
      target: "sda",
      bus: "sata",
      device: "cdrom",
      type: "file",
      format: "raw",
      readonly: true,
    },
    {
      ...bare,
      target: "fda",
      bus: "fdc",
      device: "floppy",
      type: "file",
      format: "raw",
      source: "/srv/f.img",
    },
    {
      ...bare,
      target: "sdb",
      bus: "scsi",
      device: "lun",
      type: "block",
      format: "raw",
      source: "/dev/sdq",
      shareable: true,
      mirror: { job: "copy", ready: false },
    },
  ]);
});

Deno.test("describeDomain reads what else a backup needs", () => {
  const { disks: _, ...rest } = describeDomain(rich);
  assert.deepEqual(rest, {
    name: `büro & "Lab" 'x' 🧪`,
    uuid: "11111111-2222-4333-8444-555555555555",
    interfaces: [
      { type: "network", mac: "52:54:00:00:00:01", source: "default" },
      { type: "bridge", mac: "52:54:00:00:00:02", source: "br0" },
      { type: "direct", mac: undefined, source: "eth0" },
    ],
    nvram: "/var/lib/libvirt/qemu/nvram/lab & co_VARS.qcow2",
    foreignNvram: undefined,
    tpm: { backend: "emulator", source: undefined },
    agent: true,
    owner: { uid: 107, gid: 108 },
  });
});

Deno.test("describeDomain reads the older form of nvram, and a label of names as no owner", () => {
  const { nvram, tpm, agent, owner, disks } = describeDomain(plain);
  assert.equal(nvram, "/var/lib/libvirt/qemu/nvram/gw-1_VARS.fd");
  assert.deepEqual(tpm, { backend: "passthrough", source: undefined });
  assert.equal(agent, false);
  assert.equal(owner, undefined);
  assert.equal(disks[0]?.format, "raw");
});

Deno.test("describeDomain tells a variable store that is no file", () => {
  const xml =
    "<domain><os><nvram type='network'><source protocol='nbd' name='x'/></nvram></os></domain>";
  const { nvram, foreignNvram } = describeDomain(xml);
  assert.deepEqual([nvram, foreignNvram], [undefined, "network"]);
});

Deno.test("describeDomain takes a domain without devices", () => {
  const { disks, interfaces, nvram, tpm } = describeDomain("<domain><name>x</name></domain>");
  assert.deepEqual([disks, interfaces, nvram, tpm], [[], [], undefined, undefined]);
});

Deno.test("describeDomain says what is wrong with a text that is no domain", () => {
  for (
    const [xml, words] of [
      ["", /not well-formed/],
      ["<domain><name>x</domain>", /not well-formed/],
      ["<domain></domain><domain></domain>", /not well-formed/],
      ["<domain a='1' a='2'/>", /not well-formed/],
      ["<domain>&unknown;</domain>", /not well-formed/],
      ["<network><name>default</name></network>", /root element "network", not "domain"/],
    ] as const
  ) {
    assert.throws(() => describeDomain(xml), (error) => {
      assert.ok(error instanceof VmbError);
      assert.equal(error.code, "libvirt.xml");
      assert.match(error.message, words);
      assert.ok(!error.message.includes("\n"));
      return true;
    }, xml);
  }
});

const texts = fc.string({
  unit: fc.constantFrom("a", " ", "ü", "🧪", "&amp;", "&#10;", "\n", "\r\n", "é"),
  maxLength: 8,
});
const disks = fc.uniqueArray(
  fc.record({
    target: fc.constantFrom("vda", "vdb", "vdc", "sda", "hda"),
    path: texts,
    quote: fc.constantFrom("'", '"'),
  }),
  { selector: ({ target }) => target, maxLength: 5 },
);
const gaps = fc.array(fc.oneof(texts, texts.map((text) => `<!-- ${text}<disk/> -->`)), {
  minLength: 6,
  maxLength: 6,
});

Deno.test("withDisksOf changes the wanted disks, and no other byte", () => {
  fc.assert(
    fc.property(disks, disks, gaps, fc.subarray(["vda", "vdb", "vdc", "sda"]), (
      now,
      before,
      between,
      targets,
    ) => {
      const current = now.map(element);
      const original = new Map(before.map((disk) => [disk.target, element(disk)]));
      const expected = now.map((disk, index) =>
        (targets.includes(disk.target as "vda") && original.get(disk.target)) || current[index]!
      );
      assert.equal(
        withDisksOf(domain(current, between), domain([...original.values()], []), targets),
        domain(expected, between),
      );
    }),
    { numRuns: 300 },
  );
});

Deno.test("withDisksOf of a real domain gives it back its base, and is undone by its own inverse", () => {
  const overlaid = rich.replace("/dev/disk/by-id/wwn-0x5000", "/scratch/vdb.overlay");
  assert.notEqual(overlaid, rich);
  assert.equal(withDisksOf(overlaid, rich, ["vdb"]), rich);
  assert.equal(withDisksOf(rich, overlaid, ["vdb", "vdx"]), overlaid);
  assert.equal(withDisksOf(overlaid, rich, ["vda"]), overlaid);
});

function element({ target, path, quote }: { target: string; path: string; quote: string }): string {
  return `<disk type=${quote}file${quote}>
    <source file=${quote}/${path}${quote}/><target dev='${target}'/></disk>`;
}

function domain(disks: readonly string[], between: readonly string[]): string {
  const body = disks.map((disk, index) => `${between[index] ?? ""}${disk}`).join("");
  return `<domain><name>${between[5] ?? ""}</name><devices>${body}<x/>${
    between[4] ?? ""
  }</devices></domain>\n`;
}

async function fixture(name: string): Promise<string> {
  return await Deno.readTextFile(new URL(`domains/${name}`, import.meta.url));
}
