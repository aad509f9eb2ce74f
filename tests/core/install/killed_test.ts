import assert from "node:assert/strict";
import { places } from "../../../core/install/places.ts";
import type { Files } from "../../../core/sys/files.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { openMachine } from "./machine.ts";

const changing: readonly (keyof Files)[] = [
  ...["write", "copy", "makeFolder", "makeLink", "remove", "rename", "setMode", "own"] as const,
];

/** Files that fail for ever from the n-th change on, as they do for a process that was killed there. */
function killedAt(n: number): { readonly files: Files; reached(): boolean } {
  let left = n;
  const files = new Proxy(realSystem.files, {
    get(target, name: keyof Files) {
      const real = target[name] as (...args: unknown[]) => unknown;
      if (!changing.includes(name)) return real;
      return async (path: string, ...rest: unknown[]) => {
        if (left-- > 0) return await real(path, ...rest);
        if (left === -1 && name === "write") await leaveHalf(path);
        throw new Error("killed");
      };
    },
  });
  return { files, reached: () => left < 0 };
}

/** What `write` leaves when it is killed before its rename. */
async function leaveHalf(path: string): Promise<void> {
  const slash = path.lastIndexOf("/");
  const temporary = `${path.slice(0, slash)}/.${path.slice(slash + 1)}.0a1b2c3d.tmp`;
  await Deno.writeTextFile(temporary, "half");
}

Deno.test("install that is killed at any change is made whole by the next one, which asks nothing", async () => {
  for (let n = 0;; n++) {
    const machine = await openMachine();
    try {
      const killed = killedAt(n);
      const { planInstall } = await import("../../../core/install/install.ts");
      const { applyInstall } = await import("../../../core/install/apply.ts");
      const system = { ...machine.system, files: killed.files };
      const plan = await planInstall(system, {
        ...{ root: machine.root, from: undefined, timers: ["verify"], answers: new Map() },
      });
      const ended = await applyInstall({ system, plan, report: () => {} })
        .then(() => "done", () => "killed");
      assert.equal(ended, killed.reached() ? "killed" : "done");
      await machine.install({ timers: ["verify"] });
      await assertWhole(machine, "first");
      if (!killed.reached()) return assert.ok(n > 20, `only ${n} changes`);
    } finally {
      await machine[Symbol.asyncDispose]();
    }
  }
});

Deno.test("install that is killed at any change of an upgrade leaves a program that works", async () => {
  for (let n = 0;; n++) {
    const machine = await openMachine();
    try {
      await machine.install();
      // An older version had other units, and a file was changed here.
      const unit = `${places.units}/vmb-recover.service`;
      const record = JSON.parse(await machine.read(places.record));
      record.ours[unit] = [
        "sha256:c1e0e8e3a1b3d1d1f6e1ab1dbd1b8e7d1b8e7d1b8e7d1b8e7d1b8e7d1b8e7d1b",
      ];
      await machine.write(places.record, JSON.stringify(record), 0o600);
      await machine.write(`${places.units}/vmb-recover.timer`, "mine\n");
      await Deno.writeTextFile(machine.program, "#!/bin/sh\necho second\n");
      const { planInstall } = await import("../../../core/install/install.ts");
      const { applyInstall } = await import("../../../core/install/apply.ts");
      const killed = killedAt(n);
      const system = { ...machine.system, files: killed.files };
      const plan = await planInstall(system, {
        ...{ root: machine.root, from: undefined, timers: undefined, answers: "replace all" },
      });
      await applyInstall({ system, plan, report: () => {} }).catch(() => {});
      assert.match(await started(machine.root), /^(first|second)\n$/);
      await machine.install({ answers: "replace all" });
      await assertWhole(machine, "second");
      if (!killed.reached()) return assert.ok(n >= 6, `only ${n} changes`);
    } finally {
      await machine[Symbol.asyncDispose]();
    }
  }
});

Deno.test("install that is killed asks nothing of a next one that wants something else", async () => {
  for (let n = 0;; n++) {
    const machine = await openMachine();
    try {
      const killed = killedAt(n);
      const from = `${machine.root}.from`;
      await Deno.mkdir(from);
      const offer = (text: string) => Deno.writeTextFile(`${from}/vm-backup.conf`, text);
      await offer("MIN_FREE_GB=1\n");
      await machine.install({ from });
      await offer("MIN_FREE_GB=2\n");
      const { applyInstall } = await import("../../../core/install/apply.ts");
      const system = { ...machine.system, files: killed.files };
      const plan = await machine.plan({ from });
      await applyInstall({ system, plan, report: () => {} }).catch(() => {});
      await offer("MIN_FREE_GB=3\n");
      await machine.install({ from });
      assert.equal(await machine.read(`${places.config}/vm-backup.conf`), "MIN_FREE_GB=3\n");
      if (!killed.reached()) return assert.ok(n >= 3, `only ${n} changes`);
    } finally {
      await machine[Symbol.asyncDispose]();
    }
  }
});

Deno.test("install removes what killed ones left, also where nothing else is to be done", async () => {
  await using machine = await openMachine();
  await machine.install();
  const before = await machine.listing();
  await machine.write(places.newProgram, "half");
  await machine.write(`${places.config}/.vm-list.yaml.0a1b2c3d.tmp`, "half");
  await machine.write(`${places.config}/.vm-list.yaml.swp`, "of an editor");
  await machine.install();
  await Deno.remove(`${machine.root}${places.config}/.vm-list.yaml.swp`);
  assert.deepEqual(await machine.listing(), before);
});

async function assertWhole(
  machine: Awaited<ReturnType<typeof openMachine>>,
  said: string,
): Promise<void> {
  assert.equal(await started(machine.root), `${said}\n`);
  const listing = await machine.listing();
  assert.deepEqual(listing.filter((line) => /\.tmp |vmb\.new/.test(line)), []);
  assert.equal((await machine.install()).changed, false);
  assert.deepEqual(await machine.listing(), listing);
}

async function started(root: string): Promise<string> {
  const { stdout } = await new Deno.Command(root + places.program).output();
  return new TextDecoder().decode(stdout);
}
