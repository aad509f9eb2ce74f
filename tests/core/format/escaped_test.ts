import assert from "node:assert/strict";
import fc from "fast-check";
import type { Event } from "../../../core/event.ts";
import { escaped, escapedText } from "../../../core/format/escaped.ts";
import { eventLine } from "../../../core/format/event_line.ts";
import { failureMessage } from "../../../core/notify/slack.ts";
import { VmbError } from "../../../core/error.ts";

/** Each acts on a terminal, hides a word, or forges a line; and what is shown of it. */
const hostile: readonly [string, string][] = [
  ["\u001b[2J\u001b[1;1H", "\\u001b[2J\\u001b[1;1H"],
  ["\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
  ["\u009b31m", "\\u009b31m"],
  ["x\r2026-11-26 ok, 7 files", "x\\r2026-11-26 ok, 7 files"],
  ["x\nvmb: all is well", "x\\nvmb: all is well"],
  ["a\u202egnp.exe", "a\\u202egnp.exe"],
  ["a\u2066b\u2069\u200b\u2028\u00ad", "a\\u2066b\\u2069\\u200b\\u2028\\u00ad"],
  ["\u{e0041}", "\\udb40\\udc41"],
  ["\ud800", "\\ud800"],
  ["\b\u0000\u007f", "\\u0008\\u0000\\u007f"],
  ['büro 日本 😀 \\ "q"', 'büro 日本 😀 \\ "q"'],
];

Deno.test("escaped shows what a terminal would act on, and all else as it is", () => {
  for (const [text, shown] of hostile) assert.equal(escaped(text), shown);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.doesNotMatch(
      escaped(text),
      /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u,
    );
    assert.equal(
      escapedText(text).replaceAll(/[\n\t]/g, ""),
      escaped(text.replaceAll(/[\n\t]/g, "")),
    );
  }));
});

Deno.test("eventLine is one line that does nothing, whatever is told", () => {
  for (const [text, shown] of hostile) {
    const events: Event[] = [
      { kind: "phase", phase: text, text },
      { kind: "info", text },
      { kind: "warning", text, hint: text },
      { kind: "error", text, hint: text },
      { kind: "check", name: text, outcome: "ok", detail: text, hint: text },
    ];
    for (const event of events) {
      const line = eventLine(event) ?? "";
      assert.ok(line.includes(shown), line);
      assert.equal(line, escaped(line));
    }
  }
});

Deno.test("a message to Slack holds nothing that acts on who reads it", () => {
  for (const [text] of hostile) {
    const error = new VmbError(text, { code: "x", hint: text });
    const notice = {
      title: "Backup",
      command: text,
      vm: text,
      hypervisor: "hv1",
      time: new Date(0),
      step: text,
      error,
    };
    const { blocks: [, ...sections], text: plain } = failureMessage(notice);
    for (const said of [plain, JSON.stringify(sections)]) {
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(said, /[\u001b\u009b\u202e\u0007\r]/);
    }
  }
});
