import assert from "node:assert/strict";
import { type ImageFacts, imageFacts } from "../../../core/survey/image_facts.ts";
import type { FileInfo } from "../../../core/sys/files.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

const mebi = 2 ** 20;

Deno.test("imageFacts reads an image in the format of the XML, and never guesses another", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const at = (name: string) => `${path}/${name}`;
  await qemu("qemu-img", "create", "-f", "qcow2", at("plain.qcow2"), "32M");
  await qemu("qemu-io", "-c", "write -P 7 0 4M", at("plain.qcow2"));
  await qemu("qemu-img", "create", "-f", "raw", at("base.raw"), "4M");
  // A guest may write all of this onto its raw disk.
  const inner = ["-u", "-F", "raw", "-b", "/srv/inner/base.raw", at("inner.qcow2"), "4M"];
  await qemu("qemu-img", "create", "-f", "qcow2", ...inner);
  await Deno.copyFile(at("inner.qcow2"), at("nested.raw"));
  await Deno.truncate(at("nested.raw"), 8 * mebi);
  await qemu("qemu-img", "create", "-f", "vmdk", at("vmdk.raw"), "4M");
  await Deno.writeTextFile(at("garbage.qcow2"), "garbage".repeat(1000));
  await Deno.writeTextFile(at("empty.qcow2"), "");
  await Deno.writeTextFile(at("empty.raw"), "");
  await qemu("qemu-img", "create", "-f", "qcow2", at("kept.qcow2"), "8M");
  await qemu("qemu-img", "snapshot", "-c", "before upgrade", at("kept.qcow2"));
  await qemu("qemu-img", "snapshot", "-c", "second", at("kept.qcow2"));
  const withData = [at("split.qcow2"), "8M"];
  await qemu(
    "qemu-img",
    "create",
    "-f",
    "qcow2",
    "-o",
    `data_file=${at("split.raw")}`,
    ...withData,
  );
  await Deno.symlink(at("plain.qcow2"), at("link"));
  await Deno.symlink("nowhere", at("dangling"));
  await Deno.mkdir(at("folder"));

  const table: readonly [file: string, format: string, expected: Partial<ImageFacts> | RegExp][] = [
    ["plain.qcow2", "qcow2", { kind: "file", capacity: 32 * mebi, backing: [] }],
    ["link", "qcow2", { kind: "file", capacity: 32 * mebi }],
    ["plain.qcow2", "raw", { kind: "file", backing: [], internalSnapshots: [] }],
    ["nested.raw", "raw", { capacity: 8 * mebi, backing: [], problem: undefined }],
    ["vmdk.raw", "raw", { backing: [], problem: undefined }],
    ["empty.raw", "raw", { capacity: 0, problem: undefined }],
    ["kept.qcow2", "qcow2", { internalSnapshots: ["before upgrade", "second"] }],
    ["split.qcow2", "qcow2", { dataFile: at("split.raw") }],
    ["base.raw", "qcow2", /base\.raw" cannot be read as qcow2: Image is not in qcow2 format/],
    ["garbage.qcow2", "qcow2", /cannot be read as qcow2: Image is not in qcow2 format/],
    ["empty.qcow2", "qcow2", /cannot be read as qcow2/],
    ["gone.qcow2", "qcow2", /^there is no ".*gone\.qcow2"$/],
    ["dangling", "raw", /^there is no /],
    ["plain.qcow2/inside", "raw", /^there is no /],
    ["folder", "raw", /is neither a file nor a block device/],
  ];
  for (const [file, format, expected] of table) {
    const facts = await imageFacts(realSystem, { path: at(file), format });
    const label = `${file} as ${format}`;
    if (expected instanceof RegExp) assert.match(facts.problem ?? "", expected, label);
    else {
      assert.equal(facts.problem, undefined, label);
      assert.deepEqual({ ...facts, ...expected }, facts, label);
    }
  }
  assert.match(
    (await imageFacts(realSystem, { path: "a.qcow2", format: "qcow2" })).problem ?? "",
    /not absolute/,
  );
});

Deno.test("imageFacts names a data file that is gone, and an image that QEMU marked as corrupt", async () => {
  await using folder = await temporaryFolder();
  const image = `${folder.path}/a.qcow2`;
  const data = `${folder.path}/data.raw`;
  await qemu("qemu-img", "create", "-f", "qcow2", "-o", `data_file=${data}`, image, "8M");
  await Deno.remove(data);
  assert.match(
    (await imageFacts(realSystem, { path: image, format: "qcow2" })).problem ?? "",
    /^there is no ".*\/data\.raw", which holds its data$/,
  );
  await Deno.remove(image);
  await qemu("qemu-img", "create", "-f", "qcow2", image, "8M");
  // The second of the incompatible features (qcow2.txt): big-endian, at byte 72.
  const file = await Deno.open(image, { write: true });
  await file.seek(79, Deno.SeekMode.Start);
  await file.write(new Uint8Array([2]));
  file.close();
  assert.match(
    (await imageFacts(realSystem, { path: image, format: "qcow2" })).problem ?? "",
    /is marked as corrupt/,
  );
});

Deno.test("imageFacts follows a chain by its headers, and stops where one names no format", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  const create = (name: string, ...args: string[]) =>
    qemu("qemu-img", "create", "-f", "qcow2", ...args, at(name), "8M");
  await qemu("qemu-img", "create", "-f", "raw", at("base.raw"), "8M");
  await create("middle.qcow2", "-F", "raw", "-b", "base.raw");
  await create("top.qcow2", "-F", "qcow2", "-b", at("middle.qcow2"));
  await create("network.qcow2", "-u", "-F", "raw", "-b", "nbd://golden.example/x");
  await create("nameless.qcow2", "-F", "raw", "-b", at("base.raw"));
  await Deno.writeFile(
    at("nameless.qcow2"),
    withoutBackingFormat(await Deno.readFile(at("nameless.qcow2"))),
  );
  const chainOf = async (name: string) =>
    (await imageFacts(realSystem, { path: at(name), format: "qcow2" })).backing;
  assert.deepEqual(await chainOf("top.qcow2"), [
    { source: at("middle.qcow2"), format: "qcow2" },
    { source: at("base.raw"), format: "raw" },
  ]);
  assert.deepEqual(await chainOf("network.qcow2"), [
    { source: "nbd://golden.example/x", format: "raw" },
  ]);
  assert.deepEqual(await chainOf("nameless.qcow2"), [{ source: at("base.raw"), format: "" }]);
  await Deno.remove(at("middle.qcow2"));
  assert.match(
    (await imageFacts(realSystem, { path: at("top.qcow2"), format: "qcow2" })).problem ?? "",
    /^the image below it, ".*middle\.qcow2" cannot be read as qcow2: No such file/,
  );
  // A chain is flattened: what lies below counts.
  const { needed } = await imageFacts(realSystem, { path: at("nameless.qcow2"), format: "qcow2" });
  assert.equal(needed, 8 * mebi);
});

Deno.test("imageFacts reckons what a copy takes from the content, not from what a device says is used", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await qemu("qemu-img", "create", "-f", "qcow2", at("a.qcow2"), "64M");
  await qemu("qemu-io", "-c", "write -P 7 0 16M", at("a.qcow2"));
  await qemu("qemu-img", "convert", "-c", "-O", "qcow2", at("a.qcow2"), at("small.qcow2"));
  for (
    const [path, pretended] of [
      [at("a.qcow2"), { kind: "block", allocated: 0, size: 0 }],
      [at("small.qcow2"), {}],
      [at("a.qcow2"), {}],
    ] as const
  ) {
    const facts = await imageFacts(pretending(pretended), { path, format: "qcow2" });
    assert.ok(facts.needed >= 16 * mebi && facts.needed < 20 * mebi, `${path}: ${facts.needed}`);
  }
  // Where nothing can be measured, a device counts in full.
  const unmeasured = {
    ...pretending({ kind: "block", allocated: 0 }),
    processes: {
      ...realSystem.processes,
      run: (argv: Parameters<typeof realSystem.processes.run>[0]) =>
        argv[1] === "measure" ? Promise.reject(new Error("time")) : realSystem.processes.run(argv),
    },
  };
  const { needed } = await imageFacts(unmeasured, { path: at("a.qcow2"), format: "qcow2" });
  assert.equal(needed, 64 * mebi);
});

Deno.test("imageFacts tells what it may not read from what is damaged", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a.qcow2`;
  await qemu("qemu-img", "create", "-f", "qcow2", path, "8M");
  const denied = "Could not open '/srv/a': Permission denied";
  const refused = {
    files: realSystem.files,
    processes: {
      ...realSystem.processes,
      run: (argv: Parameters<typeof realSystem.processes.run>[0]) =>
        Promise.resolve({ argv, code: 1, stdout: "", stderr: `qemu-img: ${denied}\n` }),
    },
  };
  const facts = await imageFacts(refused, { path, format: "qcow2" });
  assert.match(facts.unreadable ?? "", /Permission denied/);
  assert.equal(facts.problem, undefined);
});

/** The real system, whose files claim to be something else. */
function pretending(changes: Partial<FileInfo>) {
  return {
    ...realSystem,
    files: {
      ...realSystem.files,
      async inspectTarget(path: string) {
        const info = await realSystem.files.inspectTarget(path);
        return info && { ...info, ...changes };
      },
    },
  };
}

/** Renames the extension "backing file format name" (0xE2792ACA) to one that nobody knows. */
function withoutBackingFormat(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = image.findIndex((_, index) =>
    image[index] === 0xe2 && image[index + 1] === 0x79 && image[index + 2] === 0x2a
  );
  assert.ok(at > 0);
  image.set([0x12, 0x34, 0x56, 0x78], at);
  return image;
}
