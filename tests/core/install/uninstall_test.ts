import assert from "node:assert/strict";
import { places } from "../../../core/install/places.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { journalWith } from "../journal/records.ts";
import { openMachine } from "./machine.ts";

Deno.test("uninstall removes program, links, units and log rotation, and leaves the rest", async () => {
  await using machine = await openMachine();
  await machine.install({ timers: ["verify", "test-restore"] });
  await machine.write(`${places.config}/vm-backup.conf`, "MIN_FREE_GB=7\n");
  await machine.write(`${places.logs}/vm/run.log`, "text");
  await machine.write(`${places.unpacked}/digest/deno`, "");
  const { plan } = await machine.uninstall();
  const left = (await machine.listing()).map((line) => line.split(" ")[1])
    .filter((path) => !path?.endsWith("/"));
  assert.deepEqual(left, [
    `${places.config}/vm-backup.conf`,
    `${places.config}/vm-list.yaml`,
    `${places.logs}/vm/run.log`,
  ]);
  assert.ok(plan.notes.some((note) => note.includes(places.config)), plan.notes.join("\n"));
  assert.ok(plan.notes.some((note) => note.includes("all backups")), plan.notes.join("\n"));
  await assert.rejects(Deno.lstat(machine.root + places.bin), Deno.errors.NotFound);
  assert.equal((await machine.uninstall()).changed, false);
});

Deno.test("uninstall leaves what has our names and is not ours", async () => {
  await using machine = await openMachine();
  await machine.install();
  await machine.write(`${places.bin}/other`, "");
  await Deno.remove(machine.root + places.link);
  await machine.write(places.link, "not ours");
  await machine.uninstall();
  assert.equal(await machine.read(places.link), "not ours");
  assert.equal(await machine.read(`${places.bin}/other`), "");
});

Deno.test("uninstall asks about a unit that was changed", async () => {
  await using machine = await openMachine();
  await machine.install();
  const unit = `${places.units}/vmb-recover.service`;
  await machine.write(unit, "mine\n");
  await assert.rejects(machine.uninstall(), { code: "install.changed-files" });
  await machine.read(places.program);
  const { setAside } = await machine.uninstall("replace all");
  assert.equal(await machine.read(`${setAside}${unit}`), "mine\n");
});

Deno.test("uninstall is refused while a run lives, and until a killed one was put right", async () => {
  await using machine = await openMachine();
  await machine.install();
  const before = await machine.listing();
  const journal = await journalWith(`${machine.root}${places.state}`, []);
  await assert.rejects(machine.uninstall(), { code: "install.busy", exit: 11 });
  await journal.abandon();
  await assert.rejects(machine.uninstall(), { code: "install.unrecovered" });
  const again = await (await import("../../../core/journal/journal.ts"))
    .reopenJournal(systemFiles, journal.path);
  await again?.end();
  await Deno.remove(machine.root + places.state, { recursive: true });
  assert.deepEqual((await machine.listing()).filter((line) => !/^\d+ \/var\//.test(line)), before);
  await machine.uninstall();
});

Deno.test("uninstall names the cure where a test copy was kept", async () => {
  await using machine = await openMachine();
  await machine.install();
  const journal = await journalWith(`${machine.root}${places.state}`, [
    { step: "test-domain", uuid: "u", name: "n" },
    { step: "kept" },
  ]);
  await journal.abandon();
  await assert.rejects(machine.uninstall(), {
    code: "install.kept",
    hint: "Run: vmb hv recover --kept",
  });
});
