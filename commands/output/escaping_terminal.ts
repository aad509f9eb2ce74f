import { escapedText } from "../../core/format/escaped.ts";
import type { Terminal } from "../../core/sys/terminal.ts";

/**
 * The terminal as commands have it: whatever they print, nothing of it acts on the terminal. Only the reporter, which
 * colours its own words, has another one.
 */
export function escapingTerminal(terminal: Terminal): Terminal {
  return {
    ...terminal,
    out: (text) => terminal.out(escapedText(text)),
    err: (text) => terminal.err(escapedText(text)),
    ask: (question) => terminal.ask(escapedText(question)),
  };
}
