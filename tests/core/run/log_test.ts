import assert from "node:assert/strict";
import { openRunLog } from "../../../core/run/log.ts";
import type { Event } from "../../../core/event.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const stamp = "2026-11-21T12:00:00.000Z";

Deno.test("openRunLog keeps every line, once, from before and after the file is there", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/logs/gw-1/x.log`;
  const passedOn: Event[] = [];
  const log = openRunLog({ files: systemFiles, clock: fakeClock() }, path, (e) => passedOn.push(e));
  log.report({ kind: "phase", phase: "checks", text: "Checking" });
  log.report({ kind: "progress", target: "vda", done: 1, total: 2 });
  assert.equal(await systemFiles.inspect(path), undefined);
  const keeping = log.keep();
  log.report({ kind: "info", text: "meanwhile" });
  await keeping;
  log.report({ kind: "warning", text: "odd", hint: "Look" });
  log.report({ kind: "check", name: "agent", outcome: "warning", detail: "slow" });
  log.report({ kind: "check", name: "disks", outcome: "failed", detail: "gone" });
  log.report({ kind: "error", text: "bad" });
  await log.close();
  const expected = [
    "== Checking",
    "meanwhile",
    "warning: odd (hint: Look)",
    "check agent: warning: slow",
    "check disks: failed: gone",
    "error: bad",
  ].map((line) => `${stamp} ${line}\n`).join("");
  assert.equal(await Deno.readTextFile(path), expected);
  assert.equal(log.text(), expected);
  assert.deepEqual(log.warnings(), ["odd", "agent: slow"]);
  assert.equal(passedOn.length, 7);
});

Deno.test("openRunLog that cannot be kept is a warning, and no end of the run", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/logs`, "in the way");
  const path = `${folder.path}/logs/gw-1/x.log`;
  const log = openRunLog({ files: systemFiles, clock: fakeClock() }, path, () => {});
  await log.keep();
  log.report({ kind: "info", text: "goes on" });
  await log.close();
  assert.match(log.warnings()[0] ?? "", /^Log ".*x\.log" is not written/);
  assert.match(log.text(), /goes on/);

  const failing = {
    ...systemFiles,
    appendTo: () =>
      Promise.resolve({
        append: () => Promise.reject(new Error("No space left on device")),
        close: () => Promise.resolve(),
      }),
  };
  const full = openRunLog(
    { files: failing, clock: fakeClock() },
    `${folder.path}/y/x.log`,
    () => {},
  );
  full.report({ kind: "info", text: "one" });
  await full.keep();
  full.report({ kind: "info", text: "two" });
  await full.close();
  assert.match(full.text(), /one[\s\S]*two/);
});
