import assert from "node:assert/strict";
import { makeReporter } from "../../../commands/output/reporter.ts";
import type { Event } from "../../../core/event.ts";
import { fakeClock } from "../../core/sys/fake_clock.ts";
import { fakeTerminal } from "../fake_terminal.ts";

const events: readonly Event[] = [
  { kind: "phase", phase: "checks", text: "Checking" },
  { kind: "info", text: "hello" },
  { kind: "check", name: "agent", outcome: "ok", detail: "answers" },
  { kind: "check", name: "disks", outcome: "failed", detail: "gone", hint: "Look" },
  { kind: "check", name: "space", outcome: "warning", detail: "tight" },
  { kind: "warning", text: "odd", hint: "Mend" },
  { kind: "error", text: "bad" },
];

Deno.test("makeReporter writes one plain line for each event to a stream", () => {
  const terminal = fakeTerminal();
  const report = makeReporter(terminal, fakeClock());
  events.forEach(report);
  report.done();
  assert.equal(
    terminal.written.err,
    `== Checking
hello
check agent: ok: answers
check disks: failed: gone (hint: Look)
check space: warning: tight
warning: odd (hint: Mend)
error: bad
`,
  );
  assert.equal(terminal.written.out, "");
});

Deno.test("makeReporter gives journald the priority of each line", () => {
  const terminal = fakeTerminal("journald");
  events.forEach(makeReporter(terminal, fakeClock()));
  const priorities = terminal.written.err.split("\n").slice(0, -1).map((line) => line.slice(0, 3));
  assert.deepEqual(priorities, ["<5>", "<6>", "<6>", "<3>", "<4>", "<4>", "<3>"]);
});

Deno.test("makeReporter tells a stream of progress now and then, and of each phase anew", () => {
  const terminal = fakeTerminal();
  const clock = fakeClock();
  const report = makeReporter(terminal, clock);
  report(events[0]!);
  for (let percent = 0; percent <= 100; percent++) {
    report({ kind: "progress", target: "vda", done: percent, total: 100 });
    clock.advance(1000);
  }
  const lines = terminal.written.err.trim().split("\n").slice(1);
  assert.deepEqual(lines.map((line) => line.slice(0, 8)), [
    "vda  10%",
    "vda  20%",
    "vda  30%",
    "vda  40%",
    "vda  50%",
    "vda  60%",
    "vda  70%",
    "vda  80%",
    "vda  90%",
    "vda 100%",
  ]);
  // A fast disk is not told of at all, nor one that stands still.
  terminal.written.err = "";
  report({ kind: "phase", phase: "read-back", text: "Reading back" });
  for (const done of [0, 50, 100]) report({ kind: "progress", target: "vda", done, total: 100 });
  assert.equal(terminal.written.err, "== Reading back\n");
});

Deno.test("makeReporter writes progress over itself on a terminal, and clears it for a line", () => {
  const terminal = fakeTerminal("interactive", 30);
  const clock = fakeClock();
  const report = makeReporter(terminal, clock);
  const seen = () => {
    const text = terminal.written.err;
    terminal.written.err = "";
    return text;
  };
  report({ kind: "progress", target: "vda", done: 0, total: 100 });
  assert.equal(seen(), "\rvda   0%\x1b[K");
  clock.advance(50);
  report({ kind: "progress", target: "vda", done: 10, total: 100 });
  assert.equal(seen(), "");
  clock.advance(60);
  report({ kind: "progress", target: "vda", done: 20, total: 100 });
  const line = seen();
  assert.ok(line.startsWith("\rvda  20% ") && line.endsWith("\x1b[K"), line);
  // The last word of a disk is always shown.
  report({ kind: "progress", target: "vda", done: 100, total: 100 });
  assert.match(seen(), /^\rvda 100%/);
  report({ kind: "info", text: "hello" });
  assert.equal(seen(), "\r\x1b[K  hello\n");
  report({ kind: "info", text: "again" });
  assert.equal(seen(), "  again\n");
  report({ kind: "progress", target: "vdb", done: 0, total: 100 });
  seen();
  report.done();
  assert.equal(seen(), "");
});

Deno.test("makeReporter shows a check with its mark and its hint on a terminal", () => {
  const terminal = fakeTerminal("interactive");
  events.slice(2, 4).forEach(makeReporter(terminal, fakeClock()));
  assert.equal(
    terminal.written.err,
    "  \x1b[32m✓\x1b[0m agent: answers\n  \x1b[31m✗\x1b[0m disks: gone\n  hint: Look\n",
  );
});
