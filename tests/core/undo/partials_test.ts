import assert from "node:assert/strict";
import { recover } from "../../../core/recovery/recover.ts";
import { listBackups, readBackup } from "../../../core/repository/backups.ts";
import { beginPartial } from "../../../core/repository/partial.ts";
import { verifyBackup } from "../../../core/repository/verify.ts";
import { isOutcomeUnknown } from "../../../core/sys/deadline.ts";
import { type Files, systemFiles } from "../../../core/sys/files.ts";
import { shareFiles } from "../../../core/sys/share_files.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { undoRun } from "../../../core/undo/undo_run.ts";
import { journalWith, leftJournals } from "../journal/records.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn, manifestOf } from "../repository/stored.ts";

const options = { system: realSystem, report: () => {}, shareTimeoutMs: 30_000 };

/** Changes of the share that give no answer in time, each at the path that it is told by. */
const hanging: readonly [keyof Files, RegExp][] = [
  ["makeFolder", /\.partial$/],
  ["write", /\/gw-1\.xml$/],
  ["write", /\/backup-metadata\.json$/],
  ["write", /\/checksums\.sha256$/],
  ["syncFolder", /\.partial$/],
  ["rename", /\.partial$/],
  ["syncFolder", /\/gw-1$/],
];

for (const [operation, path] of hanging) {
  for (const when of ["before recover", "after recover"] as const) {
    Deno.test(`a share that hangs in ${operation} of ${path.source}, and goes on ${when}`, async () => {
      await using folder = await temporaryFolder();
      const address = addressIn(`${folder.path}/share`);
      const journal = await journalWith(folder.path, []);
      const { files, release, late } = hangingFiles(operation, path);
      // Only what hangs has a short deadline: a busy machine is no hung share.
      const [patient, hasty] = [30_000, 20].map((ms) => shareFiles(files, address.root, ms));
      const share = {
        ...patient,
        [operation]: (...words: unknown[]) => {
          const door = path.test(String(words[0])) ? hasty : patient;
          return (door?.[operation] as (...words: unknown[]) => Promise<unknown>)(...words);
        },
      } as Files;
      const failure = await (async () => {
        const partial = await beginPartial(share, journal, address);
        await partial.add("gw-1.xml", "domain-xml", "<domain/>");
        await partial.publish(manifestOf(address, { files: [...partial.files()] }));
      })().then(() => undefined, (error) => error);
      assert.ok(isOutcomeUnknown(failure), String(failure));
      assert.match(
        failure.message,
        /gave no answer within 0.02 s: whether it happens is not known/,
      );

      // The process that was given no answer touches nothing of it, and the journal stays.
      await assert.rejects(undoRun(journal, { ...options, outcomeUnknown: true }), {
        code: "undo.outcome-unknown",
      });
      if (when === "before recover") {
        release();
        await late;
      }
      const recoveries = await recover(`${folder.path}/state`, options);
      assert.deepEqual(recoveries.map(({ problem }) => problem), [undefined]);
      release();
      await late;
      assert.deepEqual(await leftJournals(systemFiles, `${folder.path}/state`), []);

      const listed = await listBackups(systemFiles, address.root);
      const isPublished = operation === "rename" && when === "before recover" ||
        path.source === "\\/gw-1$";
      assert.equal(listed.length, isPublished ? 1 : 0);
      if (!isPublished) return;
      const { signal } = new AbortController();
      const verified = await verifyBackup(realSystem, await readBackup(systemFiles, address), {
        signal,
      });
      assert.deepEqual(verified.problems, []);
    });
  }
}

Deno.test("settlePartials goes on where it was killed between hiding a folder and removing it", async () => {
  await using folder = await temporaryFolder();
  const parent = `${folder.path}/share/hv1/gw-1`;
  const doomed = `${parent}/.removed-2026-11-21-120000.partial`;
  await Deno.mkdir(`${doomed}/configs`, { recursive: true });
  const path = `${parent}/.2026-11-21-120000.partial`;
  const journal = await journalWith(folder.path, [{ step: "partial", path }]);
  await undoRun(journal, options);
  assert.deepEqual(await systemFiles.list(parent), []);
});

/** The door to files where one operation waits until it is let go, and then is done. */
function hangingFiles(operation: keyof Files, path: RegExp) {
  const gate = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const real = systemFiles[operation] as (...words: unknown[]) => Promise<unknown>;
  const files = {
    ...systemFiles,
    async [operation](...words: unknown[]) {
      if (!path.test(String(words[0]))) return await real(...words);
      await gate.promise;
      try {
        return await real(...words);
      } finally {
        done.resolve();
      }
    },
  } as Files;
  return { files, release: () => gate.resolve(), late: done.promise };
}
