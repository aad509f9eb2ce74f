import assert from "node:assert/strict";
import { createGuest, type GuestOptions } from "./guest.ts";
import { startHypervisor } from "./hypervisor.ts";
import { type Lab, openLab } from "./lab.ts";
import { whyNoLoop } from "./loop.ts";
import { bindFolder, mountSmallFilesystem, whyNoMount } from "./mount.ts";
import { parseRecords, readRecords } from "./records.ts";
import { startSlack } from "./slack.ts";

const noLoop = await whyNoLoop();
const noMount = whyNoMount();

Deno.test("createGuest boots every kind of guest, and the lab leaves nothing behind", async (t) => {
  let lab: Lab | undefined;
  await t.step("in a hypervisor", async (t) => {
    await using opened = await openLab();
    lab = opened;
    const hypervisor = await startHypervisor(opened);
    const boot = (options: GuestOptions) => createGuest(hypervisor, options);

    await t.step("one-disk: the agent answers, freezes and thaws, records grow", async () => {
      await using guest = await boot({
        name: "one disk & 'quotes'",
        dataMiB: 8,
        extraDisks: ["cdrom", "readonly", "shareable"],
      });
      await guest.start();
      const agentMs = await guest.waitForAgent();
      const freezeMs = await timed(() => guest.askAgent("guest-fsfreeze-freeze"));
      assert.equal(await guest.askAgent("guest-fsfreeze-status"), "frozen");
      const frozen = await readRecords(guest.disks[0]?.path ?? "", { live: true });
      const thawMs = await timed(() => guest.askAgent("guest-fsfreeze-thaw"));
      assert.equal(await guest.askAgent("guest-fsfreeze-status"), "thawed");
      assert.deepEqual([frozen.broken, frozen.replayed], [undefined, false]);
      await guest.waitForConsole(/VMB-HEARTBEAT 3/);
      await guest.shutdown();
      const after = await readRecords(guest.disks[0]?.path ?? "");
      assert.deepEqual([after.first, after.broken], [1, undefined]);
      assert.ok(after.last > frozen.last, `${after.last} > ${frozen.last}`);
      console.log(`agent after ${agentMs} ms, freeze ${freezeMs} ms, thaw ${thawMs} ms`);
    });

    await t.step("two-disks: both disks hold the same moment", async () => {
      await using guest = await boot({ name: "two", kind: "two-disks" });
      await guest.start();
      await guest.waitForAgent();
      await guest.waitForConsole(/VMB-HEARTBEAT 1/);
      await guest.destroy();
      const [first, second] = await Promise.all(guest.disks.map((disk) => {
        return readRecords(disk.path, { format: disk.format });
      }));
      assert.ok(first !== undefined && second !== undefined);
      assert.deepEqual([first.broken, second.broken, first.replayed], [undefined, undefined, true]);
      assert.ok([0, 1].includes(first.last - second.last), `${first.last}, ${second.last}`);
    });

    await t.step("no-agent: a second boot checks the records of the first", async () => {
      await using guest = await boot({ name: "check", kind: "no-agent" });
      await guest.start();
      await guest.waitForConsole(/VMB-HEARTBEAT 2/);
      await guest.destroy();
      await guest.start();
      const [, last] = await guest.waitForConsole(
        /VMB-RECORDS first=1 last=(\d+) count=\1 broken=no[^]*VMB-READY/,
      );
      assert.ok(Number(last) > 0);
    });

    await t.step("stall: the longest stall of a durable write is kept", async () => {
      await using guest = await boot({ name: "stall", workload: "stall", kind: "no-agent" });
      await guest.start();
      const [, longest] = await guest.waitForConsole(/VMB-STALL longest=(\d+)/);
      assert.ok(Number(longest) > 0);
    });

    await t.step({
      name: "block: the disk is a block device",
      ignore: noLoop !== undefined,
      fn: async () => {
        await using guest = await boot({ name: "block", kind: "block", workload: "idle" });
        await guest.start();
        await guest.waitForAgent();
        assert.match(guest.disks[0]?.path ?? "", /^\/dev\/loop\d+$/);
      },
    });

    await t.step("uefi: OVMF starts the kernel and keeps its variables", async () => {
      await using guest = await boot({ name: "uefi", kind: "uefi", workload: "idle" });
      await guest.start();
      await guest.waitForAgent();
      assert.ok((await Deno.stat(guest.nvram ?? "")).size > 0);
    });

    await t.step("shut-off: the domain is defined and off", async () => {
      await using guest = await boot({ name: "off", kind: "shut-off", dataMiB: 4 });
      assert.equal(await guest.state(), "shut off");
    });
  });
  assert.ok(lab !== undefined);
  await assert.rejects(Deno.stat(lab.folder), Deno.errors.NotFound);
  assert.deepEqual(await traces(lab.prefix), []);
});

Deno.test("openLab removes what a killed lab left behind", async () => {
  const base = await Deno.makeTempDir();
  try {
    const script = `
      import { openLab } from "${new URL("lab.ts", import.meta.url)}";
      import { mountSmallFilesystem } from "${new URL("mount.ts", import.meta.url)}";
      const lab = await openLab({ base: ${JSON.stringify(base)} });
      if (${noMount === undefined}) await mountSmallFilesystem(lab, 2);
      console.log("open");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    `;
    const killed = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", script],
      stdout: "piped",
    }).spawn();
    const reader = killed.stdout.getReader();
    await reader.read();
    {
      await using _neighbour = await openLab({ base });
      assert.equal((await labsIn(base)).length, 2);
    }
    killed.kill("SIGKILL");
    await killed.status;
    await reader.cancel();
    assert.equal((await labsIn(base)).length, 1);
    await using lab = await openLab({ base });
    assert.deepEqual(await labsIn(base), [lab.prefix]);
    assert.ok(!(await Deno.readTextFile("/proc/self/mounts")).includes(base));
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test({
  name: "mountSmallFilesystem gives a share that gets full and that can be made read-only",
  ignore: noMount !== undefined,
  fn: async () => {
    await using lab = await openLab();
    const share = await mountSmallFilesystem(lab, 4);
    const fill = () => Deno.writeFile(`${share.path}/big`, new Uint8Array(8 * 1024 * 1024));
    await assert.rejects(fill(), /No space left/);
    await Deno.remove(`${share.path}/big`);
    const bound = await bindFolder(lab, share.path);
    await bound.setReadOnly(true);
    await assert.rejects(Deno.writeTextFile(`${bound.path}/x`, "x"), /Read-only/);
    await Deno.writeTextFile(`${share.path}/x`, "x");
    await bound.unmount();
    await share.setReadOnly(true);
    await assert.rejects(Deno.writeTextFile(`${share.path}/x`, "x"), /Read-only/);
  },
});

Deno.test("startSlack records messages and answers as planned", async () => {
  await using slack = startSlack();
  slack.plan({ status: 429, retryAfterSeconds: 2 }, "hang");
  const post = (signal?: AbortSignal) =>
    fetch(slack.url, { method: "POST", body: `{"text":"hello"}`, signal: signal ?? null });
  const limited = await post();
  assert.deepEqual([limited.status, limited.headers.get("retry-after")], [429, "2"]);
  await limited.body?.cancel();
  const giveUp = new AbortController();
  const hung = assert.rejects(post(giveUp.signal), { name: "AbortError" });
  await slack.waitForPosts(2);
  giveUp.abort();
  await hung;
  assert.equal(await (await post()).text(), "ok");
  assert.deepEqual(slack.posts.map(({ body }) => body), Array(3).fill(`{"text":"hello"}`));
});

Deno.test("parseRecords names the first line that breaks the sequence", () => {
  const table: readonly [text: string, broken: string | undefined][] = [
    ["1 5\n2 6\n3 7\n", undefined],
    ["1 5\n3 6\n", "line 2 is '3 6'"],
    ["1 5\n2 6\n2 6\n", "line 3 is '2 6'"],
    ["1 5\n\0\0\0\n", "line 2 is '\0\0\0'"],
    ["1 5\n2", "the last line is cut off: '2'"],
  ];
  for (const [text, broken] of table) assert.equal(parseRecords(text).broken, broken);
});

async function labsIn(base: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(base)) names.push(entry.name);
  return names.filter((name) => name.startsWith("vmb-lab-"));
}

/** What a lab could leave on the machine besides its folder: mounts, processes, loop devices. */
async function traces(prefix: string): Promise<readonly string[]> {
  const found = (await Deno.readTextFile("/proc/self/mounts")).split("\n");
  for await (const entry of Deno.readDir("/proc")) {
    const command = await Deno.readTextFile(`/proc/${entry.name}/cmdline`).catch(() => "");
    found.push(command.replaceAll("\0", " "));
  }
  for await (const entry of Deno.readDir("/sys/block")) {
    found.push(
      await Deno.readTextFile(`/sys/block/${entry.name}/loop/backing_file`).catch(() => ""),
    );
  }
  return found.filter((line) => line.includes(prefix));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return Math.round(performance.now() - begun);
}
