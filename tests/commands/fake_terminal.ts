import type { Terminal } from "../../core/sys/terminal.ts";

/** A terminal that remembers what was written to it. */
export interface FakeTerminal extends Terminal {
  readonly written: { out: string; err: string };
}

export function fakeTerminal(
  kind: "plain" | "journald" | "interactive" = "plain",
  columns = 80,
): FakeTerminal {
  const written = { out: "", err: "" };
  return {
    written,
    out: (text) => void (written.out += text),
    outBytes: (bytes) => void (written.out += new TextDecoder("latin1").decode(bytes)),
    err: (text) => void (written.err += text),
    interactive: kind === "interactive",
    colour: kind === "interactive",
    journald: kind === "journald",
    columns: () => columns,
    ask: () => undefined,
  };
}
