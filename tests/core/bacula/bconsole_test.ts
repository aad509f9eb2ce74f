import assert from "node:assert/strict";
import {
  consoleHere,
  consoleInContainer,
  givingUp,
  monitorInContainer,
  openBconsole,
} from "../../../core/bacula/bconsole.ts";
import { type Argv, systemProcesses } from "../../../core/sys/process.ts";
import { recorded, releases } from "./recorded_console.ts";

/** A program of the shell in the place of bconsole. */
function shell(script: string, timeoutMs?: number) {
  const argv: Argv = ["sh", "-c", script];
  return openBconsole({
    processes: systemProcesses,
    argv,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

const greeting = "echo '1000 OK: 10002 vmb-dir Version: 15.0.3'";

Deno.test("openBconsole says commands by stdin, and ends the session", async () => {
  assert.deepEqual(await shell(`${greeting}; cat`).say(".jobs", "version"), ["", ""]);
  const echo = `${greeting}; while read -r line; do echo "$line"; echo "[$line]"; done`;
  assert.deepEqual(await shell(echo).say(".jobs", "version"), ["[.jobs]", "[version]"]);
});

Deno.test("givingUp asks no more when there was no answer, and again after another error", async () => {
  let asked = 0;
  const counting = (script: string) => {
    const bconsole = shell(script);
    return givingUp({
      say(...commands) {
        asked++;
        return bconsole.say(...commands);
      },
    });
  };
  const dead = counting("exit 3");
  for (const command of [".jobs", "version"]) {
    await assert.rejects(dead.say(command), { code: "bacula.unreachable", message: /status 3/ });
  }
  assert.equal(asked, 1);
  const odd = counting(greeting);
  for (const command of [".jobs", "version"]) {
    await assert.rejects(odd.say(command), { code: "bacula.answer" });
  }
  assert.equal(asked, 3);
});

Deno.test("openBconsole knows a Director that was not reached, whatever the exit status", async () => {
  const cases: readonly [string, RegExp][] = [
    [
      "echo '[CE0019] Unable to connect to Director daemon on x:9101. ERR=Connection refused'; exit 1",
      /ERR=Connection refused/,
    ],
    ["echo 'Director authorization problem.'; exit 0", /authorization problem/],
    [
      "echo 'Error: no container with name or ID \"vmb-director\" found' >&2; exit 125",
      /no container/,
    ],
    ["exit 3", /status 3/],
  ];
  for (const [script, why] of cases) {
    await assert.rejects(shell(script).say(".jobs"), { code: "bacula.unreachable", message: why });
  }
  await assert.rejects(shell("sleep 20", 100).say(".jobs"), {
    code: "bacula.unreachable",
    message: /no answer in time/,
  });
});

for (const release of releases) {
  Deno.test(`openBconsole knows that the catalog of ${release} is down`, async () => {
    const stdout = await recorded(release, "catalog_down");
    const processes = {
      run: (argv: Argv) => Promise.resolve({ argv, code: 0, stdout, stderr: "" }),
    };
    const bconsole = openBconsole({ processes, argv: consoleHere("/x.conf") });
    await assert.rejects(bconsole.say("llist jobid=1"), {
      code: "bacula.unreachable",
      message: /^Bacula's Director cannot reach its catalog: Could not open catalog/,
    });
  });
}

Deno.test("openBconsole leaves a missing program and a signal as they are", async () => {
  const missing = openBconsole({ processes: systemProcesses, argv: ["/no/such/bconsole"] });
  await assert.rejects(missing.say(".jobs"), { code: "process.missing", exit: 5 });
  const stop = new AbortController();
  const slow = openBconsole({
    processes: systemProcesses,
    argv: ["sh", "-c", "exec sleep 20"],
    signal: stop.signal,
  });
  const saying = slow.say(".jobs");
  stop.abort(new Error("stopped"));
  await assert.rejects(saying, { message: "stopped" });
});

Deno.test("consoleInContainer hands stdin into the container of the Director", () => {
  assert.deepEqual(consoleInContainer.slice(0, 5), [
    "podman",
    "exec",
    "-i",
    "vmb-director",
    "bconsole",
  ]);
});

Deno.test("monitorInContainer differs from consoleInContainer by its configuration alone", () => {
  assert.deepEqual(monitorInContainer.slice(0, -1), consoleInContainer.slice(0, -1));
  assert.deepEqual([consoleInContainer, monitorInContainer].map((argv) => argv.at(-1)), [
    "/etc/vmb-bacula/bconsole.conf",
    "/etc/vmb-bacula/monitor.conf",
  ]);
});
