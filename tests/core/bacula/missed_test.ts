import assert from "node:assert/strict";
import type { Bconsole } from "../../../core/bacula/bconsole.ts";
import { catchUp, missedVms } from "../../../core/bacula/missed.ts";
import { exampleTexts, parseTexts } from "./inventories.ts";

/** The first Saturday of a month: all words of a schedule are due, at 11:00 UTC. */
const after = (minutes: number) => ({
  now: () => new Date(Date.parse("2027-03-06T11:00:00Z") + minutes * 60_000),
});

/** A console with these rows of the catalog, whose daemons answer but those that are named. */
function consoleWith(rows: readonly string[], down: readonly string[] = []) {
  const said: string[] = [];
  let jobId = 40;
  const answer = (command: string): string => {
    if (command.startsWith(".sql")) return rows.join("\n");
    if (command === ".jobs") return "vm-prod-db-01\nvm-asav1\nvm-archive\n";
    const [, kind, name = ""] = /^status (storage|client)=(\S+)$/.exec(command) ?? [];
    if (kind === undefined) return command.startsWith("run ") ? `Job queued. JobId=${++jobId}` : "";
    const daemon = kind === "storage" ? "vmb-sd" : name;
    return down.includes(daemon)
      ? "Failed to connect"
      : `${daemon} Version: 15.0.3 (25 March 2025)`;
  };
  const bconsole: Bconsole = {
    say: (...commands) => {
      said.push(...commands);
      return Promise.resolve(commands.map(answer));
    },
  };
  return { bconsole, said };
}

async function missed(rows: readonly string[], minutes: number) {
  const inventory = await parseTexts(exampleTexts);
  const found = await missedVms(
    () => Promise.resolve(rows.join("\n\n")),
    inventory,
    after(minutes),
  );
  return found.map(({ vm, due }) => [vm.name, due.level]);
}

Deno.test("missedVms finds those whose turn has come and for which nothing began, by priority", async () => {
  const wiki = 'wiki "old" $x 100% ü';
  assert.deepEqual(await missed([], 30), [
    ["asav1", "Full"],
    ["prod-db-01", "Full"],
    [wiki, "Full"],
    ["archive", "Full"],
  ]);
  assert.deepEqual(
    await missed(["vm-asav1|1|t", "vm-prod-db-01|2|f", "vm-archive|6|f", "catalog|1|f"], 30),
    [["prod-db-01", "Full"], [wiki, "Full"]],
  );
});

Deno.test("missedVms waits for the catalog, and gives up when the cycle is over", async () => {
  assert.deepEqual(await missed([], 9), []);
  assert.equal((await missed([], 10)).length, 4);
  assert.equal((await missed([], 40 * 60)).length, 4);
  assert.deepEqual(await missed([], 40 * 60 + 1), []);
  await assert.rejects(missed(["vm-asav1|1"], 30), { code: "bacula.answer" });
});

Deno.test("missedVms asks for jobs of the Director's clock", async () => {
  const { bconsole, said } = consoleWith([], ["vmb-sd"]);
  await catchUp(bconsole, await parseTexts(exampleTexts), after(30));
  assert.match(
    said[0] ?? "",
    /^\.sql query="SELECT .* J\.SchedTime >= '2027-03-06 11:59:00' GROUP BY J\.Name"$/,
  );
});

Deno.test("catchUp queues what can run, and says why it left the others", async () => {
  const inventory = await parseTexts(exampleTexts);
  const { bconsole, said } = consoleWith([], ["hv2-fd"]);
  const { queued, left } = await catchUp(bconsole, inventory, after(60));
  assert.deepEqual(queued, [{ vm: "prod-db-01", jobId: 41 }]);
  assert.deepEqual(left.map(({ vm, because }) => `${vm}: ${because}`), [
    "asav1: the File Daemon of hv2 gives no answer",
    'wiki "old" $x 100% ü: Bacula has no job "vm-wiki:20:22old:22:20:24x:20100:25:20:c3:bc" for VM "wiki "old" $x 100% ü"',
    "archive: the File Daemon of hv2 gives no answer",
  ]);
  assert.deepEqual(said.filter((command) => command.startsWith("run ")), [
    "run job=vm-prod-db-01 level=Full yes",
  ]);
  assert.equal(said.filter((command) => command === "status client=hv2-fd").length, 1);
});

Deno.test("catchUp begins nothing while the Storage Daemon is away, and asks nothing when all went well", async () => {
  const inventory = await parseTexts(exampleTexts);
  const { bconsole, said } = consoleWith([], ["vmb-sd"]);
  const { queued, left } = await catchUp(bconsole, inventory, after(60));
  assert.deepEqual([queued, left.length], [[], 4]);
  assert.ok(said.every((command) => !command.startsWith("run ")));
  const quiet = consoleWith(
    ["vm-asav1", "vm-prod-db-01", "vm-archive", "vm-wiki:20:22old:22:20:24x:20100:25:20:c3:bc"]
      .map((name) => `${name}|1|t`),
  );
  assert.deepEqual(await catchUp(quiet.bconsole, inventory, after(60)), { queued: [], left: [] });
  assert.equal(quiet.said.length, 1);
});
