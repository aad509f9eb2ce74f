import assert from "node:assert/strict";
import { type Manifest, readManifest, writeManifest } from "../../../core/repository/manifest.ts";
import { addressIn, manifestOf } from "./stored.ts";

const sha256 = "ab".repeat(32);
const whole = manifestOf(addressIn("/mnt/backup"), {
  disks: [{
    target: "vda",
    bus: "virtio",
    sourceType: "block",
    sourceFormat: "raw",
    source: "/dev/vg/ü",
    virtualSize: 2 ** 50,
    file: "gw-1-vda.qcow2",
    fileSize: 3,
    sha256,
    compression: "zstd",
    readBytes: 1,
    storedBytes: 1,
    blockMap: "gw-1-vda.blockmap",
    digest: { algorithm: "xxh3-128", seed: "0123456789abcdef" },
    contentDigest: sha256,
    seconds: 0.001,
  }],
  skippedDisks: [{ target: "sda", device: "cdrom", source: null, reason: "removable medium" }],
  files: [{ name: "configs/a b", role: "config", size: 0, sha256 }],
});

Deno.test("readManifest reads what writeManifest writes", () => {
  const text = writeManifest(whole);
  assert.ok(text.endsWith("}\n"));
  assert.deepEqual(readManifest(text, "x"), whole);
});

Deno.test("readManifest names the first field that is wrong", () => {
  const table: readonly [unknown, RegExp][] = [
    [{ ...whole, schemaVersion: 2 }, /has schema version 2, newer than this vmb knows/],
    [{ ...whole, schemaVersion: 2, extra: 1 }, /has schema version 2/],
    [{ ...whole, schemaVersion: "1" }, /invalid at schemaVersion/],
    [{ ...whole, extra: 1 }, /invalid at its top: .*extra/],
    [{ ...whole, vm: { ...whole.vm, extra: 1 } }, /invalid at vm: .*extra/],
    [{ ...whole, disks: [{ ...whole.disks[0], sha256: "x" }] }, /invalid at disks\.0\.sha256/],
    [{ ...whole, disks: [{ ...whole.disks[0], fileSize: -1 }] }, /invalid at disks\.0\.fileSize/],
    [{ ...whole, disks: [{ ...whole.disks[0], fileSize: 1.5 }] }, /invalid at disks\.0\.fileSize/],
    [{ ...whole, disks: [{ ...whole.disks[0], virtualSize: 2 ** 54 }] }, /disks\.0\.virtualSize/],
    [{ ...whole, instant: "2026-11-21 12:00:00" }, /invalid at instant/],
    [{ ...whole, instant: "2026-11-21T12:00:00.000+01:00" }, /invalid at instant/],
    [{ ...whole, level: "incremental" }, /invalid at level/],
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

Deno.test("readManifest and writeManifest take no file name that leads out of the folder", () => {
  for (
    const name of ["/etc/passwd", "../x", "a/../b", ".hidden", "a/.b", "a//b", "a/", "", "a\0b"]
  ) {
    const bad: Manifest = { ...whole, files: [{ name, role: "config", size: 1, sha256 }] };
    assert.throws(() => readManifest(JSON.stringify(bad), "x"), /invalid at files\.0\.name/, name);
    assert.throws(() => writeManifest(bad), name);
  }
});
