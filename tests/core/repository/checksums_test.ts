import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { nameFault } from "../../../core/config/safe_name.ts";
import { readChecksums, writeChecksums } from "../../../core/repository/checksums.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const digest = "0123456789abcdef".repeat(4);
const names = fc.string({
  unit: fc.constantFrom("a", " ", "'", '"', "%", "$", "*", "ü", "🧪", "#", ":", "-", "é", "=", "("),
  minLength: 1,
  maxLength: 12,
}).map((name) => name.normalize("NFC")).filter((name) => nameFault(name) === undefined);

Deno.test("writeChecksums is read by sha256sum -c, whatever safe name a file has", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/configs`);
  const sample = fc.sample(fc.tuple(names, names), { numRuns: 60, seed: 3 });
  const files = new Map(
    sample.flatMap(([plain, config]) => [[plain, `1${plain}`], [`configs/${config}`, "x"]]),
  );
  files.delete("configs");
  for (const [name, content] of files) await Deno.writeTextFile(`${folder.path}/${name}`, content);
  const checksums = [...files].map(([name, content]) => ({
    name,
    sha256: createHash("sha256").update(content).digest("hex"),
  }));
  const path = `${folder.path}/checksums.sha256`;
  await Deno.writeTextFile(path, writeChecksums(checksums));
  const check = [
    "-c",
    'cd "$1" && sha256sum --check --strict checksums.sha256',
    "sh",
    folder.path,
  ] as const;
  const { stdout } = await runOk(systemProcesses, ["sh", ...check]);
  assert.equal(stdout.split("\n").filter((line) => line.endsWith(": OK")).length, files.size);
  assert.deepEqual(readChecksums(await Deno.readTextFile(path), path), checksums);
});

Deno.test("readChecksums reads what sha256sum itself writes, text and binary", () => {
  for (const mark of [" ", "*"]) {
    assert.deepEqual(readChecksums(`${digest} ${mark}a b/*c\n`, "x"), [
      { name: "a b/*c", sha256: digest },
    ]);
  }
  assert.deepEqual(readChecksums("", "x"), []);
});

Deno.test("readChecksums refuses names that lead out of the folder, and lines that are none", () => {
  const table: readonly [string, RegExp][] = [
    [`${digest}  /etc/passwd\n`, /x:1 names "\/etc\/passwd", outside of the backup/],
    [`${digest}  ../other/file\n`, /outside/],
    [`${digest}  a/../../b\n`, /outside/],
    [`${digest}  ..\n`, /outside/],
    [`${digest}  a//b\n`, /outside/],
    [`${digest}  a/\n`, /outside/],
    [`${digest}  ok\n\\${digest}  a\\\\b\n`, /x:2 is no checksum/],
    [`${digest.toUpperCase()}  a\n`, /x:1 is no checksum/],
    [`${digest.slice(1)}  a\n`, /is no checksum/],
    [`${digest} a\n`, /is no checksum/],
    [`${digest}  \n`, /is no checksum/],
    [`${digest}  a\n\n`, /x:2 is no checksum/],
    [`${digest}  a`, /x:1 has no end of line/],
  ];
  for (const [text, message] of table) {
    assert.throws(() => readChecksums(text, "x"), { code: "repository.checksums", message }, text);
  }
});
