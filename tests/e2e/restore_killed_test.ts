import assert from "node:assert/strict";
import { loadConfiguration } from "../../core/config/configuration.ts";
import { recover } from "../../core/recovery/recover.ts";
import type { RestoreRequest } from "../../core/restore/request.ts";
import { hasBacking } from "../../core/image/overlay.ts";
import { type RestoreOutcome, restoreVm } from "../../core/restore/run.ts";
import type { FileLock, Files } from "../../core/sys/files.ts";
import { realSystem, type System } from "../../core/sys/system.ts";
import { openLab } from "../lab/lab.ts";
import {
  assertContent,
  assertNothingLeft,
  type BackedUp,
  backUpGuest,
  hashes,
  loseGuest,
  openRestoreSite,
  type RestoreSite,
  trusting,
} from "./restoring.ts";
import { assertEnded, names } from "./site.ts";

/** Doors that change something; a run may die before or after each passage. */
const changing = [
  ...["write", "copy", "makeFolder", "remove", "rename", "own", "appendTo"],
] as const satisfies readonly (keyof Files)[];

const changingCommands = [
  ...["define", "undefine", "autostart", "net-define", "net-start", "start", "create", "blockpull"],
];

interface Mortal {
  readonly system: System;
  /** Passages so far. */
  count(): number;
  /** Gives up the locks that it holds, as the death of a process does. */
  bury(): Promise<void>;
}

/** A system that dies at the `at`th passage through a door that changes something, and does nothing after. */
function mortal(base: System, at: number, when: "after" | "before"): Mortal {
  let count = 0;
  let dead = false;
  const pass = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!dead && ++count === at) {
      if (when === "after") await work();
      dead = true;
    }
    if (dead) throw new Error("killed");
    return await work();
  };
  const alive = <T>(work: () => T): T => {
    if (dead) throw new Error("killed");
    return work();
  };
  const files = { ...base.files };
  for (const name of Object.keys(files) as (keyof Files)[]) {
    const door = files[name] as (...args: unknown[]) => Promise<unknown>;
    const isChanging = (changing as readonly string[]).includes(name);
    Object.assign(files, {
      [name]: (...args: unknown[]) =>
        isChanging ? pass(() => door(...args)) : alive(() => door(...args)),
    });
  }
  const appendTo = files.appendTo;
  files.appendTo = async (path) => {
    const lines = await appendTo(path);
    return { append: (line) => pass(() => lines.append(line)), close: () => lines.close() };
  };
  const locks: FileLock[] = [];
  const lock = files.lock;
  files.lock = async (path) => {
    const held = await lock(path);
    if (held) locks.push(held);
    return held;
  };
  return {
    count: () => count,
    async bury() {
      for (const held of locks) await held.release().catch(() => {});
    },
    system: {
      ...base,
      files,
      processes: {
        ...base.processes,
        run: (argv, options) =>
          argv[0] === "tar" || argv.some((word) => changingCommands.includes(word))
            ? pass(() => base.processes.run(argv, options))
            : alive(() => base.processes.run(argv, options)),
      },
    },
  };
}

/** Everything that a restore may change, in comparable form. */
async function stateOf(site: RestoreSite, { guest }: BackedUp): Promise<unknown> {
  const { virsh } = site.hypervisor;
  const listed = (await virsh("list", "--all", "--name")).split("\n").filter(Boolean);
  const isThere = listed.includes(guest.name);
  const paths = (await names(guest.folder)).filter((name) => /vda|nvram/.test(name))
    .map((name) => `${guest.folder}/${name}`);
  return {
    listed,
    xml: isThere ? await virsh("dumpxml", "--inactive", "--domain", guest.name) : "",
    autostart: isThere &&
      /Autostart:\s+enable/.test(await virsh("dominfo", "--domain", guest.name)),
    files: await hashes(paths),
    images: await names(site.images),
  };
}

for (const mode of ["recreate", "replace", "instant"] as const) {
  Deno.test(`restoreVm that dies at any step (${mode}) leaves what vmb hv recover puts right`, async (t) => {
    await using lab = await openLab();
    const site = await openRestoreSite(lab);
    const backedUp = await backUpGuest(site, { name: "k", kind: "uefi", sizeMiB: 32 });
    const { guest, manifest } = backedUp;
    const { virsh, env } = site.hypervisor;
    await guest.shutdown();
    if (mode !== "replace") await loseGuest(site, guest);
    else await virsh("autostart", "--domain", guest.name);
    const system: System = {
      ...realSystem,
      host: {
        ...realSystem.host,
        env: (name) => name === "VMB_CONFIG_DIR" ? site.configFolder : realSystem.host.env(name),
      },
      processes: {
        ...realSystem.processes,
        run: (argv, options) =>
          realSystem.processes.run(argv, { ...options, env: { ...env, ...options?.env } }),
      },
    };
    const configuration = await loadConfiguration(system, { flags: {} });
    const request: RestoreRequest = {
      ...{ vm: guest.name, id: "latest", name: undefined, imageDir: undefined, format: "keep" },
      ...{ replace: mode === "replace", network: { kind: "keep" }, start: false },
      instant: mode === "instant",
      ...{ trustDefinition: true, keepOtherDisks: false },
    };
    const run = (by: System) =>
      restoreVm(request, {
        ...{ system: by, configuration, report: () => {}, confirm: () => Promise.resolve() },
        ...{ signal: new AbortController().signal, onBegin: () => {} },
      });
    const assertRestored = async (outcome: Pick<RestoreOutcome, "disks">) => {
      // A guest that runs has changed its disks.
      if (mode !== "instant") return await assertContent(outcome, manifest);
      assert.equal(await guest.state(), "running");
      for (const { path } of outcome.disks) assert.equal(await hasBacking(system, path), false);
    };
    const before = await stateOf(site, backedUp);
    let whole = false;
    for (let at = 1; !whole; at++) {
      for (const when of ["before", "after"] as const) {
        const dying = mortal(system, at, when);
        const outcome = await run(dying.system).catch(() => undefined);
        await dying.bury();
        const name = `killed ${when} change ${at}`;
        if (dying.count() < at) {
          assert.ok(outcome, "the restore ends when nothing kills it");
          await assertRestored(outcome);
          await assertNothingLeft(site);
          whole = true;
          break;
        }
        await t.step(name, async () => {
          const recoveries = await recover(site.state, {
            ...{ system, report: () => {}, shareTimeoutMs: 10_000 },
            waiting: new AbortController().signal,
          });
          for (const { problem } of recoveries) assert.equal(problem, undefined);
          await assertNothingLeft(site);
          const after = await stateOf(site, backedUp);
          try {
            assert.deepEqual(after, before);
          } catch (difference) {
            // Only once its last line was written is a restore whole, and then all of it is.
            if (!await isWhole(site, backedUp, mode)) throw difference;
            await assertRestored({ disks: await restoredDisks(site, backedUp) });
            whole = true;
          }
        });
        if (whole) break;
      }
    }
    assert.ok(whole);
  });
}

async function restoredDisks(site: RestoreSite, { guest }: BackedUp) {
  const listing = await site.hypervisor.virsh(
    ...["domblklist", "--inactive", "--domain", guest.name],
  );
  return [...listing.matchAll(/^\s*(\w+)\s+(\/.*)$/gm)].map(([, target = "", path = ""]) => ({
    target,
    path,
  }));
}

/** Whether the VM is defined on disks that were not its own before. */
async function isWhole(site: RestoreSite, backedUp: BackedUp, mode: string): Promise<boolean> {
  const { virsh } = site.hypervisor;
  const { guest } = backedUp;
  if (!(await virsh("list", "--all", "--name")).split("\n").includes(guest.name)) return false;
  const aside = (await names(guest.folder)).filter((name) => name.includes(".before-"));
  return mode !== "replace" || aside.length === 2;
}

Deno.test("vmb hv restore that is killed or stopped leaves nothing that the next run does not put right", async (t) => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const backedUp = await backUpGuest(site, { name: "kill", kind: "two-disks", dataMiB: 48 });
  const { guest, manifest } = backedUp;
  await loseGuest(site, guest);
  const before = await stateOf(site, backedUp);
  for (
    const [signal, code] of [
      ["SIGKILL", 137],
      ["SIGTERM", 143],
      ["SIGINT", 130],
    ] as const
  ) {
    for (const moment of [/== Checking/, /== Restoring/, /== Defining/]) {
      await t.step(`${signal} at ${moment}`, async () => {
        const run = site.start(["hv", "restore", guest.name, trusting]);
        await run.until(moment);
        run.signal(signal);
        const ended = await run.ended;
        // It may have ended before the signal came.
        if (ended.code === 0) {
          await loseGuest(site, { ...guest, disks: [] });
          for (const name of await names(site.images)) await Deno.remove(`${site.images}/${name}`);
        } else assert.equal(ended.code, code, ended.stderr);
        if (signal === "SIGKILL") assertEnded(await site.vmb("hv", "recover"), 0);
        assert.deepEqual(await stateOf(site, backedUp), before);
        await assertNothingLeft(site);
      });
    }
  }
  const ended = await site.vmb("hv", "restore", guest.name, trusting, "--json");
  assertEnded(ended, 0);
  await assertContent(JSON.parse(ended.stdout), manifest);
});
