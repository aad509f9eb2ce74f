import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import type { DomainRewrite } from "../../../core/restore/rewrite.ts";
import { rewriteDomain } from "../../../core/restore/rewrite_domain.ts";
import { tiedDomain } from "./domains.ts";

const uuid = "6b7a1c9e-3f52-4d0e-9a41-0c5d8f2b7e11";
const other = "0e7a1c9e-3f52-4d0e-9a41-0c5d8f2b7e22";
const name = `web & "db" 🧪`;

/** A rewriting that changes nothing but the VM generation id. */
const same: DomainRewrite = {
  name,
  uuid,
  newMacs: false,
  disks: new Map(),
  otherDisks: "keep",
  nvram: "/var/lib/libvirt/qemu/nvram/web_VARS.fd",
  network: { kind: "keep" },
};

function rewrite(changes: Partial<DomainRewrite>): string {
  return rewriteDomain(tiedDomain, { ...same, ...changes });
}

/** Lines of one text that the other has not, in order; each stands for one line. */
function changedLines(text: string): { gone: string[]; come: string[] } {
  const without = (lines: string[], others: string[]) => {
    const rest = [...others];
    return lines.filter((line) => {
      const at = rest.indexOf(line);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    }).map((line) => line.trim()).filter((line) => !line.startsWith("<genid>"));
  };
  const before = tiedDomain.split("\n");
  const after = text.split("\n");
  return { gone: without(before, after), come: without(after, before) };
}

Deno.test("rewriteDomain that keeps all changes nothing but the generation id", () => {
  const text = rewrite({});
  assert.deepEqual(changedLines(text), { gone: [], come: [] });
  assert.notEqual(
    /<genid>(.*)<\/genid>/.exec(text)?.[1],
    /<genid>(.*)<\/genid>/.exec(tiedDomain)?.[1],
  );
  assert.equal(text.length, tiedDomain.length);
});

Deno.test("rewriteDomain escapes a new name and puts the UUID wherever it stands", () => {
  const text = rewriteDomain(tiedDomain, { ...same, name: "a<b>&'c'", uuid: other });
  const { gone, come } = changedLines(text);
  const identity = /<name>|uuid/;
  assert.deepEqual({
    gone: gone.filter((line) => identity.test(line)),
    come: come.filter((line) => identity.test(line)),
  }, {
    gone: [
      `<name>web &amp; "db" 🧪</name>`,
      `<uuid>${uuid}</uuid>`,
      `<entry name='uuid'>${uuid}</entry>`,
    ],
    come: [
      "<name>a&lt;b&gt;&amp;&apos;c&apos;</name>",
      `<uuid>${other}</uuid>`,
      `<entry name='uuid'>${other}</entry>`,
    ],
  });
});

Deno.test("rewriteDomain moves disks to files and drops what tells of the old image", () => {
  const text = rewrite({
    disks: new Map([
      ["vda", { path: "/images/a 'quoted' & <odd>.qcow2", format: "qcow2" }],
      ["vdb", { path: "/images/b.raw", format: "raw" }],
    ]),
  });
  const [vda, vdb, vdc, sda] = describeDomain(text).disks;
  assert.deepEqual(
    [vda?.type, vda?.format, vda?.source],
    ["file", "qcow2", "/images/a 'quoted' & <odd>.qcow2"],
  );
  assert.deepEqual([vdb?.type, vdb?.format, vdb?.source, vdb?.backing], [
    "file",
    "raw",
    "/images/b.raw",
    [],
  ]);
  assert.deepEqual([vdc?.source, sda?.source], ["/srv/shared.img", "/srv/iso/install.iso"]);
  assert.doesNotMatch(text, /backingStore|index='2'|golden|seclabel model='dac' relabel='no'/);
  assert.match(text, /<driver name='qemu' type='qcow2' cache='none' io='native'\/>/);
  assert.match(text, /<serial>root<\/serial>\n {6}<boot order='1'\/>/);
});

Deno.test("rewriteDomain empties drives and removes the other disks when told so", () => {
  const disks = new Map([["vda", { path: "/images/a.qcow2", format: "qcow2" }]] as const);
  const targets = (text: string) => describeDomain(text).disks.map(({ target }) => target);
  const emptied = rewrite({ disks, otherDisks: "remove-media" });
  assert.deepEqual(targets(emptied), ["vda", "sda"]);
  assert.equal(describeDomain(emptied).disks[1]?.source, undefined);
  assert.deepEqual(targets(rewrite({ disks, otherDisks: "remove" })), ["vda"]);
  const drive = rewrite({ emptyDrives: new Set(["sda", "vdc"]) });
  assert.deepEqual(describeDomain(drive).disks.map(({ source }) => source), [
    "/dev/vg0/web",
    "/var/lib/libvirt/images/web-data.qcow2",
    "/srv/shared.img",
    undefined,
  ]);
});

Deno.test("rewriteDomain sets the variable store in both forms, and keeps its template", () => {
  const newer = tiedDomain.replace(
    /<nvram .*<\/nvram>/,
    `<nvram template='/T.fd' type='file'>
      <source file='/old_VARS.fd'/>
    </nvram>`,
  );
  const none = tiedDomain.replace(/\n *<nvram .*<\/nvram>/, "");
  for (const xml of [tiedDomain, newer, none]) {
    const text = rewriteDomain(xml, { ...same, nvram: "/new & own.fd" });
    assert.equal(describeDomain(text).nvram, "/new & own.fd");
    assert.equal(/template='[^']*'/.exec(text)?.[0], /template='[^']*'/.exec(xml)?.[0]);
    assert.equal(
      describeDomain(rewriteDomain(xml, { ...same, nvram: undefined })).nvram,
      undefined,
    );
  }
});

Deno.test("rewriteDomain gives every interface a new address and no fixed tap device", () => {
  const text = rewrite({ newMacs: true });
  const macs = describeDomain(text).interfaces.map(({ mac }) => mac ?? "");
  assert.equal(new Set(macs).size, 3);
  for (const mac of macs) assert.match(mac, /^52:54:00(:[0-9a-f]{2}){3}$/);
  assert.doesNotMatch(text, /52:54:00:aa:bb|tap-web/);
});

Deno.test("rewriteDomain removes interfaces, pulls their cables, or moves them to one network", () => {
  assert.deepEqual(describeDomain(rewrite({ network: { kind: "none" } })).interfaces, []);
  const down = rewrite({ network: { kind: "link-down" } });
  assert.equal(down.match(/<link state='down'\/>/g)?.length, 2);
  assert.doesNotMatch(down, /state='up'|type='hostdev'/);
  const moved = rewrite({ network: { kind: "network", name: "lab & co" } });
  assert.deepEqual(
    describeDomain(moved).interfaces.map(({ type, source }) => [type, source]),
    [["network", "lab & co"], ["network", "lab & co"], ["network", "lab & co"]],
  );
  assert.doesNotMatch(moved, /br0|eth1|vfio|managed='yes'>\n {6}<mac/);
  assert.match(moved, /<model type='e1000'\/>/);
});

Deno.test("rewriteDomain of another UUID takes nothing that only one domain of a host can have", () => {
  const text = rewrite({ uuid: other, closeCharacterDevices: true });
  assert.doesNotMatch(text, /4555|web-console\.log|channel\.log|web-agent\.sock|address='7'|5901/);
  assert.match(text, /<serial type='pty'>\s*<target type='isa-serial' port='0'>/);
  assert.match(text, /<console type='pty'>\s*<target type='serial' port='0'\/>/);
  assert.match(text, /<channel type='unix'>\s*<target type='virtio' name='org.qemu.guest_agent.0'/);
  assert.match(text, /<graphics type='vnc' autoport='yes' listen='0.0.0.0' passwd='secret'>/);
});

Deno.test("rewriteDomain twice with the same words is rewriting once", () => {
  const network = fc.constantFrom<DomainRewrite["network"]>(
    { kind: "keep" },
    { kind: "none" },
    { kind: "link-down" },
    { kind: "network", name: "n" },
  );
  const path = fc.string({ unit: "grapheme", minLength: 1 }).map((text) =>
    `/${text.replace(/[^\P{C}]/gu, "_")}`
  );
  const format = fc.constantFrom("qcow2" as const, "raw" as const);
  const image = fc.record({ path, format });
  fc.assert(fc.property(
    fc.record({
      name: path.map((text) => `n${text.trim()}`),
      uuid: fc.uuid(),
      newMacs: fc.constant(false),
      disks: fc.array(fc.tuple(fc.constantFrom<string>("vda", "vdb", "vdc", "sda"), image)).map((
        disks,
      ) => new Map(disks)),
      otherDisks: fc.constantFrom("keep", "remove-media", "remove"),
      nvram: fc.option(path.map((text) => text.trim()), { nil: undefined }),
      network,
    }),
    (words) => {
      const once = rewriteDomain(tiedDomain, words);
      const withoutId = (text: string) => text.replace(/<genid>.*<\/genid>/, "");
      assert.equal(withoutId(rewriteDomain(once, words)), withoutId(once));
      const described = describeDomain(once);
      assert.equal(described.name, words.name);
      assert.equal(described.uuid, words.uuid);
      for (const disk of described.disks) {
        const wanted = words.disks.get(disk.target);
        if (wanted !== undefined) assert.equal(disk.source, wanted.path);
      }
    },
  ));
});
