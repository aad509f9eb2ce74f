import assert from "node:assert/strict";
import {
  ImagesReadBack,
  type ReadBackContext,
  readBackImages,
} from "../../../core/backup/read_back_images.ts";
import type { NamedCopy } from "../../../core/backup/copy_disks.ts";
import type { Event } from "../../../core/event.ts";
import type { ManifestFile } from "../../../core/repository/manifest.ts";
import { startPhases } from "../../../core/run/phases.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { copyFrom, rawImage, serveRaw, writeNoise } from "../copy/copying.ts";
import { startNbdkit, temporaryFolder } from "../nbd/servers.ts";

const MiB = 1024 ** 2;
const [image, map] = ["gw-vda.qcow2", "gw-vda.blockmap"];

Deno.test("readBackImages notes image and block map when the share gives back what was sent", async () => {
  await using site = await copied();
  const { noted } = await site.readBack();
  assert.deepEqual(noted.map(({ name, role }) => [name, role]), [
    [image, "disk"],
    [map, "blockmap"],
  ]);
  assert.equal(noted[0]?.sha256, await sha256sum(`${site.folder}/${image}`));
  assert.equal(noted[1]?.sha256, await sha256sum(`${site.folder}/${map}`));
});

Deno.test("readBackImages refuses any change of what was sent, and notes nothing", async () => {
  await using site = await copied();
  const size = (await Deno.stat(`${site.folder}/${image}`)).size;
  const mapSize = (await Deno.stat(`${site.folder}/${map}`)).size;
  const table: readonly (readonly [string, string, (path: string) => Promise<void>])[] = [
    ["a bit of data", image, flipped(3 * MiB + 777)],
    ["a bit of the header", image, flipped(30)],
    ["a bit of the last table", image, flipped(size - 1)],
    ["a byte less", image, (path) => Deno.truncate(path, size - 1)],
    ["a byte more", image, (path) => Deno.truncate(path, size + 1)],
    ["a bit of the block map", map, flipped(64 + 1040)],
    ["a byte of the block map less", map, (path) => Deno.truncate(path, mapSize - 1)],
  ];
  for (const [what, name, change] of table) {
    const path = `${site.folder}/${name}`;
    const whole = await Deno.readFile(path);
    await change(path);
    await assert.rejects(
      site.readBack(),
      { code: "backup.read-back", message: new RegExp(`^Read-back of "${name}" failed`) },
      what,
    );
    if (name === image) assert.deepEqual(site.noted, [], what);
    await Deno.writeFile(path, whole);
    site.noted.length = 0;
  }
  await site.readBack();
});

Deno.test("readBackImages reads a corrected header as it is now, though the old one was read before", async () => {
  await using server = await startNbdkit("--filter=noextents", "memory", "24M");
  await using site = await copied({ server });
  assert.ok(site.copy.corrected);
  // What was read behind the copy had another header.
  using behind = site.begin();
  behind.durable("vda", 65_536);
  const { noted } = await site.readBack({}, behind);
  assert.equal(noted[0]?.sha256, await sha256sum(`${site.folder}/${image}`));
  await flipped(9)(`${site.folder}/${image}`);
  await assert.rejects(site.readBack(), { code: "backup.read-back" });
});

Deno.test("readBackImages without a read-back takes the checksum that was made on the way", async () => {
  await using site = await copied({ checksum: true });
  const expected = await sha256sum(`${site.folder}/${image}`);
  assert.equal(site.copy.sha256, expected);
  await Deno.remove(`${site.folder}/${image}`);
  const { noted } = await site.readBack({ readBack: false });
  assert.equal(noted[0]?.sha256, expected);
});

Deno.test("ImagesReadBack reads behind the copy what is durable, and finds a change in it", async () => {
  await using site = await copied();
  using behind = site.begin();
  behind.durable("vda", 4 * MiB);
  const { noted } = await site.readBack({}, behind);
  assert.equal(noted[0]?.sha256, await sha256sum(`${site.folder}/${image}`));
  await flipped(100_000)(`${site.folder}/${image}`);
  using again = site.begin();
  again.durable("vda", 8 * MiB);
  await assert.rejects(site.readBack({}, again), { code: "backup.read-back" });
});

Deno.test("ImagesReadBack reads two images at once behind the copy, and leaves the rest for later", async () => {
  await using site = await copied();
  using behind = site.begin();
  for (const target of ["vda", "vdb", "vdc", "vda"]) behind.durable(target, 4 * MiB);
  assert.deepEqual(behind.targets, ["vda", "vdb"]);
  await site.readBack({}, behind);
  assert.deepEqual(behind.targets, ["vdb"]);
  behind.durable("vdc", 4 * MiB);
  assert.deepEqual(behind.targets, ["vdb", "vdc"]);
  using none = site.begin({ readBack: false });
  none.durable("vda", 4 * MiB);
  assert.deepEqual(none.targets, []);
});

interface Changes {
  readonly readBack?: boolean;
}

async function copied(
  { server, ...options }: Partial<Parameters<typeof copyFrom>[2]> & {
    readonly server?: { readonly socketPath: string };
  } = {},
) {
  const folder = await temporaryFolder();
  const raw = `${folder.path}/raw`;
  await rawImage(raw, 12 * MiB, []);
  await writeNoise(raw, MiB, 9 * MiB);
  await using own = await serveRaw(raw);
  const copy: NamedCopy = {
    target: "vda",
    seconds: 1,
    ...await copyFrom(server ?? own, folder.path, options),
  };
  await Deno.rename(`${folder.path}/copy.qcow2`, `${folder.path}/${image}`);
  await Deno.rename(`${folder.path}/copy.blockmap`, `${folder.path}/${map}`);
  const noted: ManifestFile[] = [];
  const partial = { folder: folder.path, note: (file: ManifestFile) => void noted.push(file) };
  const report = (_event: Event) => {};
  const contextOf = ({ readBack = true }: Changes): ReadBackContext => ({
    system: realSystem,
    settings: { backupRoot: folder.path, compression: "none", shareTimeoutSeconds: 30 },
    request: { readBack },
    entry: { name: "gw" },
    phases: startPhases(realSystem.clock, report),
    report,
    signal: new AbortController().signal,
  });
  const begin = (changes: Changes = {}) =>
    new ImagesReadBack(contextOf(changes), folder.path, copy.seed);
  return {
    folder: folder.path,
    copy,
    noted,
    begin,
    async readBack(changes: Changes = {}, behind?: ImagesReadBack) {
      using fresh = begin(changes);
      await readBackImages(
        contextOf(changes),
        partial,
        [copy],
        behind ?? fresh,
      );
      return { noted };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Changes one bit of a file. */
function flipped(at: number): (path: string) => Promise<void> {
  return async (path) => {
    using file = await Deno.open(path, { read: true, write: true });
    const byte = new Uint8Array(1);
    await file.seek(at, Deno.SeekMode.Start);
    await file.read(byte);
    await file.seek(at, Deno.SeekMode.Start);
    await file.write(Uint8Array.of((byte[0] ?? 0) ^ 1));
  };
}

async function sha256sum(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).toHex();
}
