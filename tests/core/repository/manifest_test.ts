import assert from "node:assert/strict";
import { type Manifest, readManifest, writeManifest } from "../../../core/repository/manifest.ts";
import { addressIn, manifestOf } from "./stored.ts";

const sha256 = "ab".repeat(32);
const file = { name: "configs/a b", role: "config", size: 0, sha256 };
const whole = manifestOf(addressIn("/mnt/backup"), {
  disks: [{
    target: "vda",
    bus: "virtio",
    sourceType: "block",
    sourceFormat: "raw",
    source: "/dev/vg/ü",
    virtualSize: 2 ** 50,
    file: "gw-1-vda.qcow2",
    compression: "zstd",
    readBytes: 1,
    storedBytes: 1,
    blockMap: "gw-1-vda.blockmap",
    digest: { algorithm: "xxh3-128", seed: "0123456789abcdef" },
    contentDigest: sha256,
    seconds: 0.001,
  }],
  skippedDisks: [{ target: "sda", device: "cdrom", source: null, reason: "removable medium" }],
  files: [
    file,
    { name: "gw-1-vda.blockmap", role: "blockmap", size: 2, sha256 },
    { name: "gw-1-vda.qcow2", role: "disk", size: 3, sha256 },
  ],
});

Deno.test("readManifest reads what writeManifest writes", () => {
  const text = writeManifest(whole);
  assert.ok(text.endsWith("}\n"));
  assert.deepEqual(readManifest(text, "x"), whole);
});

Deno.test("readManifest names the first field that is wrong", () => {
  const table: readonly [unknown, RegExp][] = [
    [{ ...whole, schemaVersion: "1" }, /invalid at schemaVersion/],
    [{ ...whole, files: [{ ...file, sha256: "x" }] }, /invalid at files\.0\.sha256/],
    [{ ...whole, files: [{ ...file, size: -1 }] }, /invalid at files\.0\.size/],
    [{ ...whole, files: [{ ...file, size: 1.5 }] }, /invalid at files\.0\.size/],
    [
      { ...whole, files: [...whole.files, file] },
      /contradicts itself: "configs\/a b" stands there/,
    ],
    [{ ...whole, disks: [...whole.disks, whole.disks[0]] }, /contradicts itself: "vda" stands/],
    [
      { ...whole, files: whole.files.slice(0, 2) },
      /"gw-1-vda.qcow2" of disk vda is no file of role/,
    ],
    [{ ...whole, needs: { list: [7] } }, /invalid at needs\.list\.0/],
    [{ ...whole, disks: [{ ...whole.disks[0], virtualSize: 2 ** 54 }] }, /disks\.0\.virtualSize/],
    [{ ...whole, instant: "2026-11-21 12:00:00" }, /invalid at instant/],
    [{ ...whole, instant: "2026-11-21T12:00:00.000+01:00" }, /invalid at instant/],
    [{ ...whole, level: "../x" }, /invalid at level/],
    [{ ...whole, baculaJobId: 0 }, /invalid at baculaJobId/],
    [{ ...whole, readBack: "yes" }, /invalid at readBack/],
    [{ ...whole, warnings: undefined }, /invalid at warnings/],
    [null, /invalid at its top/],
    [[], /invalid at its top/],
  ];
  for (const [value, message] of table) {
    assert.throws(() => readManifest(JSON.stringify(value), "/x/m.json"), {
      code: "repository.manifest",
      message,
    }, String(message));
  }
  assert.throws(() => readManifest("{", "/x/m.json"), {
    code: "repository.manifest",
    message: 'Manifest "/x/m.json" is no JSON',
  });
});

Deno.test("readManifest keeps what it does not know, and words that are new to it", () => {
  const later = {
    ...whole,
    level: "incremental",
    signedBy: { key: "x" },
    vm: { ...whole.vm, title: "x" },
    files: [...whole.files, { ...file, name: "x", role: "chain-link", blocks: 7 }],
    needs: { list: [], verify: ["signature"], restore: ["chain"], prune: ["chain"], copy: ["x"] },
  };
  assert.deepEqual(readManifest(JSON.stringify(later), "x"), later);
});

Deno.test("readManifest tells a newer manifest from a damaged one", () => {
  const table: readonly [unknown, RegExp][] = [
    [{ ...whole, schemaVersion: 2 }, /^Manifest "x" has schema version 2, this vmb knows 1$/],
    [{ schemaVersion: 3, quite: "another" }, /has schema version 3/],
    [{ ...whole, needs: { ...whole.needs, list: ["zstd", "shards"] } }, /needs "shards", which/],
  ];
  for (const [value, message] of table) {
    assert.throws(() => readManifest(JSON.stringify(value), "x"), {
      code: "repository.newer",
      message,
    });
  }
});

Deno.test("readManifest makes no path of a name that leads elsewhere", () => {
  const names = [
    "../../x",
    "/etc/x",
    ".",
    "..",
    "a/b",
    "-x",
    "a\nb",
    "a\u001b[2J",
    "a\u202eb",
    "",
    "a\\b",
  ];
  for (const name of names) {
    const table: readonly [string, Record<string, unknown>][] = [
      ["disks.0.target", { disks: [{ ...whole.disks[0], target: name }] }],
      ["vm.name", { vm: { ...whole.vm, name } }],
      ["vm.uuid", { vm: { ...whole.vm, uuid: name } }],
      ["hypervisor", { hypervisor: name }],
      ["id", { id: name }],
    ];
    for (const [field, changes] of table) {
      assert.throws(
        () => readManifest(JSON.stringify({ ...whole, ...changes }), "x"),
        {
          code: "repository.manifest",
          message: new RegExp(`^Manifest "x" is invalid at ${field}: `),
        },
        `${field} ${JSON.stringify(name)}`,
      );
    }
  }
  assert.throws(
    () => readManifest(JSON.stringify({ ...whole, hypervisor: "metadata" }), "x"),
    /invalid at hypervisor/,
  );
});

Deno.test("readManifest and writeManifest take no file name that leads out of the folder", () => {
  for (
    const name of ["/etc/passwd", "../x", "a/../b", ".hidden", "a/.b", "a//b", "a/", "", "a\0b"]
  ) {
    const bad: Manifest = { ...whole, files: [{ name, role: "config", size: 1, sha256 }] };
    assert.throws(() => readManifest(JSON.stringify(bad), "x"), /invalid at files\.0\.name/, name);
    assert.throws(() => writeManifest(bad), name);
  }
});
