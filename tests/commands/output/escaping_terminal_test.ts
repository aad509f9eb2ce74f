import assert from "node:assert/strict";
import { escapingTerminal } from "../../../commands/output/escaping_terminal.ts";
import { makeReporter } from "../../../commands/output/reporter.ts";
import { table } from "../../../commands/output/table.ts";
import { systemClock } from "../../../core/sys/clock.ts";
import { fakeTerminal } from "../fake_terminal.ts";

const hostile = "x\u001b]0;owned\u0007\r\u009b2J\u202e";

Deno.test("escapingTerminal lets nothing through that acts, but for the breaks of lines", () => {
  const terminal = fakeTerminal();
  const safe = escapingTerminal(terminal);
  safe.out(`${hostile}\n\tb`);
  safe.err(hostile);
  const shown = "x\\u001b]0;owned\\u0007\\r\\u009b2J\\u202e";
  assert.deepEqual(terminal.written, { out: `${shown}\n\tb`, err: shown });
});

Deno.test("makeReporter colours its own words only, and no event makes a second line", () => {
  for (const kind of ["plain", "journald", "interactive"] as const) {
    const terminal = fakeTerminal(kind);
    const report = makeReporter(terminal, systemClock);
    report({ kind: "info", text: `${hostile}\n<3>forged` });
    report({ kind: "warning", text: hostile, hint: hostile });
    report({ kind: "check", name: hostile, outcome: "failed", detail: hostile, hint: hostile });
    report({ kind: "progress", target: hostile, done: 1, total: 1 });
    // deno-lint-ignore no-control-regex
    const own = terminal.written.err.replaceAll(/\u001b\[(\d+m|K)|\r(?=x)/g, "");
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(own, /[\u001b\u0007\u009b\u202e]/, kind);
    assert.doesNotMatch(own, /^(<3>)?forged/m, kind);
  }
});

Deno.test("table keeps each row on a line of its own", () => {
  assert.equal(table([["a", "b\nc  ok"], ["\u001b[1m", "d"]]).split("\n").length, 3);
});

Deno.test("nothing but the reporter and the escaping terminal reaches the terminal", async () => {
  const root = new URL("../../..", import.meta.url).pathname;
  const offenders: string[] = [];
  for (const top of ["core", "commands", "main.ts"]) await look(`${root}/${top}`);
  assert.deepEqual(offenders, []);

  async function look(path: string): Promise<void> {
    if ((await Deno.stat(path)).isDirectory) {
      for await (const { name } of Deno.readDir(path)) await look(`${path}/${name}`);
      return;
    }
    if (!path.endsWith(".ts")) return;
    const code = (await Deno.readTextFile(path)).replace(/\/\*[\s\S]*?\*\//g, "").replace(
      /(^|\s)\/\/.*$/gm,
      "",
    );
    const name = path.slice(root.length + 1);
    const isTerminal = name === "core/sys/terminal.ts";
    if (
      !isTerminal &&
      /\bconsole\.(log|error|warn|info|debug|dir)\(|\bstdout\.write|Deno\.(stdout|stderr)|\/dev\/tty/
        .test(code)
    ) {
      offenders.push(name);
    }
    // The terminal that escapes nothing is known by name in two places.
    const raw = code.match(/\bsystemTerminal\b|\brawTerminal\b/g)?.length ?? 0;
    const allowed: Record<string, number> = { "main.ts": 2, "commands/main.ts": 3 };
    if (!isTerminal && raw > (allowed[name] ?? 0)) {
      offenders.push(`${name}: ${raw} of the raw terminal`);
    }
  }
});
