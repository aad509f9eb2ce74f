/** The door to the two output streams. Writing never throws: a reader that went away is no error. */
export interface Terminal {
  /** Results: what the command was asked for. */
  out(text: string): void;
  /** A result that is no text. */
  outBytes(bytes: Uint8Array): void;
  /** What happens meanwhile, and errors. */
  err(text: string): void;
  /** Whether a person watches the second stream. */
  readonly interactive: boolean;
  /** Whether escape sequences for colour are wanted there. */
  readonly colour: boolean;
  /** Whether journald reads the second stream, and understands `<3>` before a line (sd-daemon(3)). */
  readonly journald: boolean;
  columns(): number;
  /** Asks on the second stream and returns the line that was typed; `undefined` when nobody is there. */
  ask(question: string): string | undefined;
}

export const systemTerminal: Terminal = {
  out: (text) => writeAll(Deno.stdout, text),
  outBytes: (bytes) => writeAll(Deno.stdout, bytes),
  err: (text) => writeAll(Deno.stderr, text),
  interactive: Deno.stderr.isTerminal() && Deno.env.get("TERM") !== "dumb",
  colour: Deno.stderr.isTerminal() && !Deno.noColor && Deno.env.get("TERM") !== "dumb",
  journald: Deno.env.has("JOURNAL_STREAM") && !Deno.stderr.isTerminal(),
  columns() {
    try {
      return Deno.consoleSize().columns || 80;
    } catch {
      return 80;
    }
  },
  ask(question) {
    if (!Deno.stdin.isTerminal()) return undefined;
    writeAll(Deno.stderr, question);
    const buffer = new Uint8Array(1024);
    const count = Deno.stdin.readSync(buffer);
    return count === null ? undefined : new TextDecoder().decode(buffer.subarray(0, count)).trim();
  },
};

function writeAll(
  stream: { writeSync(bytes: Uint8Array): number },
  content: string | Uint8Array,
): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  try {
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  } catch {
    // EPIPE: the reader has gone.
  }
}
