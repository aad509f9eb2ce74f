import assert from "node:assert/strict";
import { stoppable } from "../../../core/ssh/stoppable.ts";
import type { Argv } from "../../../core/sys/process.ts";
import { systemProcesses } from "../../../core/sys/process.ts";

const { run } = systemProcesses;

/** The shells that /bin/sh may be. */
const shells = ["sh", "bash"];

/** Undoes on SIGTERM, as vmb does, after it has said on the second stream that it runs. */
const worker: Argv = [
  "sh",
  "-c",
  "trap 'echo undone; exit 143' TERM; echo ready >&2; while :; do sleep 0.02; done",
];

function under(shell: string, argv: Argv): Argv {
  return [shell, ...stoppable(argv).slice(1)];
}

for (const shell of shells) {
  Deno.test(`stoppable ends a program when a line comes in, and waits for it (${shell})`, async () => {
    const stop = new AbortController();
    const ended = await run(under(shell, worker), {
      askToStop: { line: "stop\n", patienceMs: 60_000 },
      signal: stop.signal,
      onStderr: (text) => text.includes("ready") && stop.abort(),
    });
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [143, "undone\n", "ready\n"]);
  });

  Deno.test(`stoppable lets a program run on when the input only ends (${shell})`, async () => {
    // It ends after its input did, and after whoever watches that has had its time.
    const program = "printf '%s|' \"$@\"; cat; sleep 0.2; echo whole; exit 7";
    const argv = under(shell, ["sh", "-c", program, "sh", "it's", "a  b", "$x"]);
    const ended = await run(argv, { stdin: "" });
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [7, "it's|a  b|$x|whole\n", ""]);
  });

  Deno.test(`stoppable leaves nobody who watches a program that has ended (${shell})`, async () => {
    // The input stays open until the shell has ended: a watcher would keep the output open.
    const ended = await run(under(shell, ["echo", "done"]), {
      askToStop: { line: "stop\n", patienceMs: 1 },
      timeoutMs: 10_000,
    });
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, "done\n", ""]);
  });
}
