import assert from "node:assert/strict";
import type { CaptureContext } from "../../../core/capture/context.ts";
import { runAtInstant } from "../../../core/capture/freeze_window.ts";
import type { GuestHooks } from "../../../core/capture/context.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { journalWith } from "../journal/records.ts";
import { fakeClock } from "../sys/fake_clock.ts";
import { type Said, scriptedVirsh } from "../libvirt/scripted_virsh.ts";
import { testDomain } from "../libvirt/test_driver.ts";

const late = { code: 1, stderr: "error: Guest agent is not responding" };
const disabled =
  "error: Unable to freeze filesystems\nerror: guest-fsfreeze-freeze: has been disabled";
const notConnected =
  "error: Unable to freeze\nerror: Guest agent is not responding: QEMU guest agent is not connected";

interface Script {
  readonly freeze?: string;
  readonly thaw?: string;
  /** The batch does not end. */
  readonly hangs?: boolean;
  /** What the agent says to each question whether it is frozen; the last one is repeated. */
  readonly statuses?: readonly (string | typeof late)[];
  readonly agentAnswers?: boolean;
  readonly crashAccepted?: boolean;
  readonly hooks?: Partial<GuestHooks>;
  /** How a program in the guest ends: its exit status, or that it never does. */
  readonly exits?: Readonly<Record<string, number | "never" | "refused">>;
}

/** Runs a window as scripted, and tells what was done, in order. */
async function run(script: Script) {
  const { freeze = "Froze 2 filesystem(s)", thaw = "Thawed 2 filesystem(s)", hooks = {} } = script;
  await using folder = await temporaryFolder();
  const done: string[] = [];
  const warnings: string[] = [];
  const clock = fakeClock();
  let asked = 0;
  const programs: string[] = [];
  const agent = (words: readonly string[]): Said => {
    const { execute, arguments: given } = JSON.parse(words[2] ?? "");
    if (execute === "guest-fsfreeze-status") {
      const { statuses = ["thawed"] } = script;
      const status = statuses[Math.min(asked++, statuses.length - 1)] ?? "";
      return typeof status === "string" ? JSON.stringify({ return: status }) : status;
    }
    if (execute === "guest-exec") {
      done.push(`exec ${given.path}`);
      if (script.exits?.[given.path] === "refused") {
        return { code: 1, stderr: "error: Command guest-exec has been disabled" };
      }
      return JSON.stringify({ return: { pid: programs.push(given.path) } });
    }
    const exit = script.exits?.[programs[given.pid - 1] ?? ""] ?? 0;
    return JSON.stringify({
      return: exit === "never"
        ? { exited: false }
        : { exited: true, exitcode: exit, "err-data": "d2h5" },
    });
  };
  const virsh = scriptedVirsh({
    "guest-agent-timeout": () => "",
    domfsthaw: () => {
      done.push("domfsthaw");
      return "";
    },
    "qemu-agent-command": agent,
  }, async (argv, logFile) => {
    done.push("batch");
    if (script.hangs) return { pid: 1, exited: new Promise(() => {}), kill: () => {} };
    const parts = (argv.at(-1) ?? "").split("; ").map((command) =>
      command.startsWith("domfsfreeze") ? freeze : command.startsWith("domfsthaw") ? thaw : ""
    );
    await Deno.writeTextFile(
      logFile,
      parts.map((words, index) => `${words}\n\n(Time: ${10 ** index} ms)\n`).join(""),
    );
    return { pid: 1, exited: Promise.resolve(0), kill: () => {} };
  });
  const journal = await journalWith(folder.path, []);
  const write = journal.write.bind(journal);
  journal.write = (entry) => {
    done.push(entry.step);
    return write(entry);
  };
  const context: CaptureContext = {
    system: { ...realSystem, clock },
    virsh,
    domain: testDomain,
    description: describeDomain("<domain/>"),
    disks: [],
    journal,
    scratchFolder: folder.path,
    stagingFolder: folder.path,
    freezeTimeoutSeconds: 10,
    agentAnswers: script.agentAnswers ?? true,
    crashAccepted: script.crashAccepted ?? false,
    guestHooks: { beforeFreeze: undefined, afterThaw: undefined, ...hooks },
    managedSave: false,
    report: (event) => event.kind === "warning" && warnings.push(event.text),
  };
  const window = await runAtInstant(context, ["capture-it"]).catch((error) => ({ error }));
  await journal.abandon();
  return {
    window: "error" in window ? undefined : window,
    code: "error" in window ? window.error.code : undefined,
    hint: "error" in window ? window.error.hint : undefined,
    done,
    warnings,
    seconds: clock.monotonic() / 1000,
  };
}

Deno.test("runAtInstant freezes, captures and thaws, and has the journal know it before and after", async () => {
  const { window, done, warnings } = await run({});
  assert.deepEqual(done, ["freeze", "batch", "thawed"]);
  assert.equal(window?.consistency, "filesystem");
  assert.deepEqual(window?.frozen, { freezeMs: 10, heldMs: 100, thawMs: 1000, atMostMs: 1110 });
  assert.deepEqual(warnings, []);
});

Deno.test("runAtInstant repeats a thaw that failed until the agent itself says that it is thawed", async () => {
  const { window, done, warnings } = await run({
    thaw: "error: Unable to thaw",
    statuses: ["frozen", late, "frozen", "thawed"],
  });
  const thaws = Array.from({ length: 4 }, () => "domfsthaw");
  assert.deepEqual(done, ["freeze", "batch", ...thaws, "thawed"]);
  assert.equal(window?.consistency, "crash");
  assert.match(warnings.join(), /only crash-consistent: the thaw failed at first: Unable to thaw/);
});

Deno.test("runAtInstant leaves the journal open when no thaw is confirmed within a minute", async () => {
  for (const statuses of [["frozen"], [late]]) {
    for (const crashAccepted of [false, true]) {
      const { code, done, hint, seconds } = await run({
        thaw: "error: Unable to thaw",
        statuses,
        crashAccepted,
      });
      assert.equal(code, "capture.thaw");
      assert.match(hint, /virsh domfsthaw/);
      assert.ok(!done.includes("thawed"), done.join());
      assert.ok(done.filter((each) => each === "domfsthaw").length >= 10, done.join());
      assert.ok(seconds >= 60 && seconds < 200, `${seconds} s`);
    }
  }
});

Deno.test("runAtInstant tries a thaw from outside when the batch never ends, and undoes nothing under it", async () => {
  const { code, done } = await run({
    hangs: true,
    hooks: { beforeFreeze: hook("/before"), afterThaw: hook("/after") },
  });
  assert.equal(code, "capture.unfinished");
  assert.deepEqual(done, ["guest-hook", "exec /before", "freeze", "batch", "domfsthaw"]);
});

Deno.test("runAtInstant goes by the policy when the freeze fails, after the thaw is confirmed", async () => {
  const failing = { freeze: disabled, statuses: ["frozen", "thawed"] };
  const refused = await run(failing);
  assert.equal(refused.code, "capture.freeze");
  assert.match(refused.hint, /agent: fallback/);
  const steps = ["freeze", "batch", "domfsthaw", "domfsthaw", "thawed"];
  assert.deepEqual(refused.done, steps);
  const accepted = await run({ ...failing, crashAccepted: true });
  assert.deepEqual(accepted.done, steps);
  assert.equal(accepted.window?.consistency, "crash");
  assert.equal(accepted.window?.frozen, undefined);
  assert.match(accepted.warnings.join(), /has been disabled: the image is crash-consistent/);
  const unknown = await run({ freeze: disabled, statuses: [late], crashAccepted: true });
  assert.equal(unknown.code, "capture.thaw");
});

Deno.test("runAtInstant asks for no thaw of a freeze that was never sent", async () => {
  const { window, done } = await run({
    freeze: notConnected,
    thaw: notConnected,
    crashAccepted: true,
  });
  assert.deepEqual(done, ["freeze", "batch", "thawed"]);
  assert.equal(window?.consistency, "crash");
});

Deno.test("runAtInstant believes no agent that froze nothing", async () => {
  const { window, warnings } = await run({ freeze: "Froze 0 filesystem(s)" });
  assert.equal(window?.consistency, "crash");
  assert.match(warnings.join(), /froze no file system/);
});

Deno.test("runAtInstant without an agent only captures", async () => {
  const { window, done, warnings } = await run({
    agentAnswers: false,
    hooks: { beforeFreeze: hook("/before") },
  });
  assert.deepEqual(done, ["batch"]);
  assert.equal(window?.consistency, "crash");
  assert.match(warnings.join(), /guest_hooks are not run/);
});

Deno.test("runAtInstant is application-consistent only if every hook ran well", async () => {
  const both = { beforeFreeze: hook("/before"), afterThaw: hook("/after") };
  const order = [
    ...["guest-hook", "exec /before", "freeze", "batch", "thawed", "exec /after"],
    "guest-hook-done",
  ];
  for (
    const [hooks, exits, crashAccepted, consistency, code, warning] of [
      [both, {}, false, "application", undefined, /^$/],
      [{ beforeFreeze: hook("/before") }, {}, false, "application", undefined, /^$/],
      [{ afterThaw: hook("/after") }, {}, false, "filesystem", undefined, /^$/],
      [both, { "/before": 3 }, false, undefined, "capture.guest-hook", /^$/],
      [
        both,
        { "/before": 3 },
        true,
        "filesystem",
        undefined,
        /status 3: why: the image is not app/,
      ],
      [both, { "/before": "never" }, false, undefined, "capture.guest-hook", /^$/],
      [both, { "/before": "refused" }, true, "filesystem", undefined, /--block-rpcs/],
      [both, { "/after": 1 }, false, "filesystem", undefined, /^after_thaw of guest_hooks failed/],
    ] as const
  ) {
    const name = JSON.stringify([hooks, exits, crashAccepted]);
    const { window, done, warnings, ...ended } = await run({ hooks, exits, crashAccepted });
    assert.equal(window?.consistency, consistency, name);
    assert.equal(ended.code, code, name);
    assert.match(warnings.join(), warning, name);
    if (hooks !== both) continue;
    // Whatever the first one did, the applications are let go on.
    const wanted = code === undefined
      ? order
      : order.filter((step) => !["freeze", "batch", "thawed"].includes(step));
    assert.deepEqual(done, wanted, name);
  }
});

Deno.test("runAtInstant lets applications go on when the freeze fails, but not in a guest that may be frozen", async () => {
  const hooks = { beforeFreeze: hook("/before"), afterThaw: hook("/after") };
  const failed = await run({ hooks, freeze: disabled });
  assert.equal(failed.code, "capture.freeze");
  assert.deepEqual(failed.done.slice(-3), ["thawed", "exec /after", "guest-hook-done"]);
  const crash = await run({ hooks, freeze: disabled, crashAccepted: true });
  assert.equal(crash.window?.consistency, "crash");
  const frozen = await run({ hooks, thaw: "error: x", statuses: ["frozen"] });
  assert.equal(frozen.code, "capture.thaw");
  assert.ok(!frozen.done.includes("exec /after") && !frozen.done.includes("guest-hook-done"));
});

function hook(path: string) {
  return { argv: [path, "x"] as const, timeoutSeconds: 5 };
}
