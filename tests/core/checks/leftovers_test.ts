import assert from "node:assert/strict";
import { runChecks } from "../../../core/checks/check.ts";
import { postBackupChecks, type PostBackupContext } from "../../../core/checks/post_backup.ts";
import { beginJournal } from "../../../core/journal/journal.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("no-leftovers asks the journals which folders are in use", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const begin = async (run: string) => {
    await Deno.mkdir(`${path}/scratch/${run}`, { recursive: true });
    return await beginJournal(systemFiles, path, {
      ...{ step: "begin", run, vm: "x", uuid: "u", uri: "qemu:///system", pid: 1, time: "" },
      scratchFolder: `${path}/scratch/${run}`,
      stagingFolder: `${path}/t`,
    });
  };
  const check = async () => {
    const context = {
      system: { files: systemFiles },
      settings: { scratchDir: `${path}/scratch`, stateDir: path },
      backup: { manifest: { runId: "vmb-own" } },
    } as unknown as PostBackupContext;
    const all = postBackupChecks(context).filter(({ name }) => name === "no-leftovers");
    const [result] = await runChecks(all, () => {});
    return [result?.outcome, result?.detail.replace(/^left in "[^"]*": /, "")];
  };
  const nothing = ["ok", "no overlay, scratch file or socket"];
  assert.deepEqual(await check(), nothing);

  // A filling instant restore, a backup beside this one, a test copy that somebody looks at.
  const fill = await begin("vmb-restore-2026-11-26-010203-7");
  const beside = await begin("vmb-2026-11-26-010203-8");
  const kept = await begin("vmb-test-1234");
  await kept.write({ step: "test-domain", uuid: "u", name: "n" });
  await kept.write({ step: "kept" });
  await kept.abandon();
  assert.deepEqual(await check(), nothing);

  const killed = await begin("vmb-killed");
  await killed.abandon();
  await Deno.mkdir(`${path}/scratch/nobodys`);
  const own = await begin("vmb-own");
  assert.deepEqual(await check(), ["warning", "nobodys, vmb-killed, vmb-own"]);
  for (const journal of [fill, beside, own]) await journal.end();
});
