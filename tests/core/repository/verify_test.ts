import fc from "fast-check";
import assert from "node:assert/strict";
import { readBackup } from "../../../core/repository/backups.ts";
import {
  type Verification,
  verificationFailed,
  verifyBackup,
} from "../../../core/repository/verify.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { type Argv, type RunOptions, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn, publishBackup } from "./stored.ts";

const system = { files: systemFiles, processes: systemProcesses };
const contents = {
  "gw-1.xml": "<domain/>",
  "configs/run ü.txt": "hostname gw\n",
  "backup.log": "",
};

Deno.test("verifyBackup of a whole backup finds nothing", async () => {
  await using stored = await stand();
  const result = await stored.verify();
  assert.deepEqual(result.problems, []);
  // Three files, and the manifest.
  assert.deepEqual([result.ok, result.files, result.vm, result.id], [
    true,
    4,
    "gw-1",
    "2026-11-21-120000",
  ]);
});

Deno.test("verifyBackup names each kind of damage", async () => {
  const table: readonly [(folder: string) => Promise<void>, readonly RegExp[]][] = [
    [(folder) => Deno.remove(`${folder}/gw-1.xml`), [/^"gw-1\.xml" is missing$/]],
    [
      (folder) => Deno.writeTextFile(`${folder}/extra`, "x"),
      [/^"extra" has no checksum$/],
    ],
    [
      (folder) => Deno.writeTextFile(`${folder}/configs/extra`, "x"),
      [/^"configs\/extra" has no checksum$/],
    ],
    [
      (folder) => Deno.truncate(`${folder}/configs/run ü.txt`, 5),
      [/^"configs\/run ü\.txt" was changed: its SHA-256 is [0-9a-f]{64}$/],
    ],
    [
      (folder) => Deno.writeTextFile(`${folder}/backup.log`, "x"),
      [/^"backup\.log" was changed/],
    ],
    [
      (folder) => Deno.writeTextFile(`${folder}/backup-metadata.json`, " ", { append: true }),
      [/^"backup-metadata\.json" was changed/],
    ],
    [
      (folder) => Deno.writeTextFile(`${folder}/backup-metadata.json`, "{"),
      [/^Manifest ".*backup-metadata\.json" is no JSON$/, /^"backup-metadata\.json" was changed/],
    ],
    [
      (folder) => Deno.remove(`${folder}/backup-metadata.json`),
      [/No such file.*backup-metadata\.json/, /^"backup-metadata\.json" is missing$/],
    ],
    [(folder) => Deno.remove(`${folder}/checksums.sha256`), [/No such file.*checksums\.sha256/]],
    [
      (folder) => edit(`${folder}/checksums.sha256`, (text) => text.replace(/^.*gw-1\.xml\n/m, "")),
      [
        /^"gw-1\.xml": manifest and checksums\.sha256 do not agree$/,
        /^"gw-1\.xml" has no checksum$/,
      ],
    ],
    [
      (folder) =>
        edit(`${folder}/checksums.sha256`, (text) => text.replace(/^.*metadata.*\n/m, "")),
      [/^"backup-metadata\.json" has no checksum$/, /^"backup-metadata\.json" has no checksum$/],
    ],
    [
      (folder) => edit(`${folder}/checksums.sha256`, (text) => `${text}${"0".repeat(64)}  ../x\n`),
      [/outside of the backup$/],
    ],
    [
      async (folder) => {
        await Deno.rename(`${folder}/gw-1.xml`, `${folder}/../elsewhere`);
        await Deno.symlink(`${folder}/../elsewhere`, `${folder}/gw-1.xml`);
      },
      [/^"gw-1\.xml" is no regular file$/],
    ],
    [
      async (folder) => {
        await Deno.remove(`${folder}/gw-1.xml`);
        // Reading it would wait for ever.
        await new Deno.Command("mkfifo", { args: [`${folder}/gw-1.xml`] }).output();
      },
      [/^"gw-1\.xml" is no regular file$/],
    ],
  ];
  for (const [damage, expected] of table) {
    await using stored = await stand();
    await damage(stored.folder);
    const { ok, problems } = await stored.verify();
    assert.equal(ok, false);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    expected.forEach((pattern, index) => assert.match(problems[index] ?? "", pattern));
  }
});

Deno.test("verifyBackup does not call a backup damaged that a newer vmb made", async () => {
  const changes: readonly [RegExp, RegExp, string][] = [
    [/"schemaVersion": 1/, /has schema version 2, this vmb knows 1/, '"schemaVersion": 2'],
    [/"verify": \[\]/, /^It needs "signature", which this vmb lacks$/, '"verify": ["signature"]'],
  ];
  for (const [from, problem, to] of changes) {
    await using stored = await stand();
    await edit(`${stored.folder}/backup-metadata.json`, (text) => text.replace(from, to));
    const result = await stored.verify();
    assert.deepEqual([result.ok, result.newer, result.problems.length], [false, true, 1]);
    assert.match(result.problems[0] ?? "", problem);
    const error = verificationFailed([result]);
    assert.deepEqual([error.code, error.exit], ["repository.newer", 6]);
    assert.doesNotMatch(`${error.message} ${error.hint}`, /Do not restore|failed/);
    // Beside one that is damaged, that one is what matters.
    const damaged = { ...result, newer: false, problems: ["x"] };
    assert.equal(verificationFailed([result, damaged]).code, "repository.verify");
  }
});

Deno.test("verifyBackup names a folder that was copied or renamed", async () => {
  await using stored = await stand();
  await Deno.rename(stored.folder, stored.folder.replace("-120000", "-120001"));
  const address = addressIn(stored.root, { id: "2026-11-21-120001" });
  const { ok, problems } = await stored.verify(undefined, address);
  assert.equal(ok, false);
  assert.match(problems.join(), /is that of "hv1\/gw-1\/2026-11-21-120000": the folder was copied/);
});

Deno.test("verifyBackup reads each file from where it is kept, not from this machine's cache", async () => {
  await using stored = await stand();
  const dropped: string[] = [];
  const processes = {
    ...systemProcesses,
    run: (argv: Argv, options?: RunOptions) => {
      if (argv[0] === "dd" && argv.some((word) => word.startsWith("iflag=nocache"))) {
        dropped.push(argv.join(" "));
      }
      return systemProcesses.run(argv, options);
    },
  };
  const { ok, files } = await stored.verify(undefined, undefined, { ...system, processes });
  assert.deepEqual([ok, dropped.length], [true, files]);
});

Deno.test("verifyBackup finds any one changed bit, in any file", async () => {
  await using stored = await stand({ "gw-1.xml": "<domain/>" });
  const names = ["gw-1.xml", "backup-metadata.json", "checksums.sha256"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.nat(),
      fc.nat({ max: 7 }),
      async (name, at, bit) => {
        const path = `${stored.folder}/${name}`;
        const bytes = await Deno.readFile(path);
        const changed = bytes.slice();
        const index = at % bytes.length;
        changed[index] = (changed[index] ?? 0) ^ (1 << bit);
        await Deno.writeFile(path, changed);
        const { ok, problems } = await stored.verify();
        await Deno.writeFile(path, bytes);
        assert.equal(ok, false);
        if (name !== "checksums.sha256") {
          assert.ok(problems.some((problem) => problem.startsWith(`"${name}" was changed`)));
        }
      },
    ),
    { numRuns: 10 },
  );
  assert.ok((await stored.verify()).ok);
});

Deno.test("verifyBackup stops when it is asked to", async () => {
  await using stored = await stand();
  const reason = new Error("stop");
  await assert.rejects(stored.verify(AbortSignal.abort(reason)), reason);
});

Deno.test("verificationFailed names backups and problems, with exit code 6", () => {
  const failed: Verification = {
    vm: "gw-1",
    hypervisor: "hv1",
    id: "2026-11-21-120000",
    ok: false,
    newer: false,
    files: 1,
    bytes: 1,
    problems: ['"a" is missing', '"b" was changed'],
  };
  const error = verificationFailed([failed]);
  assert.equal(
    error.message,
    'Verification failed: gw-1/2026-11-21-120000: "a" is missing; "b" was changed',
  );
  assert.deepEqual([error.exit, error.code], [6, "repository.verify"]);
});

async function stand(files: Readonly<Record<string, string>> = contents) {
  const folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const published = await publishBackup(folder.path, address, files);
  return {
    folder: published,
    root: address.root,
    verify: async (signal = new AbortController().signal, at = address, through = system) =>
      await verifyBackup(through, await readBackup(systemFiles, at), { signal }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const text = await Deno.readTextFile(path);
  const changed = change(text);
  assert.notEqual(changed, text);
  await Deno.writeTextFile(path, changed);
}
