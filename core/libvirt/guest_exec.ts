import { VmbError } from "../error.ts";
import type { Argv } from "../sys/process.ts";
import type { Clock } from "../sys/clock.ts";
import { agentCommand } from "./agent.ts";
import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

/** How a program in the guest ended. */
export interface GuestExit {
  /** Exit status; `undefined` when a signal ended it. */
  readonly code: number | undefined;
  /** The end of what it said, in one line of printable characters. */
  readonly words: string;
}

/**
 * Runs a program by the guest agent (QEMU, qemu-ga-ref, `guest-exec`) and waits for its end.
 *
 * @throws {VmbError} `guest.exec` when the agent does not start it, or it does not end in time; it goes on then
 */
export async function guestExec(
  { virsh, domain, clock }: {
    readonly virsh: Virsh;
    readonly domain: Domain;
    readonly clock: Clock;
  },
  [path, ...arg]: Argv,
  timeoutSeconds: number,
): Promise<GuestExit> {
  const until = clock.monotonic() + timeoutSeconds * 1000;
  const started = await agentCommand(virsh, domain, "guest-exec", 10, {
    path,
    arg,
    "capture-output": true,
  }) as { readonly pid?: unknown } | undefined;
  if (typeof started?.pid !== "number") throw badAnswer(domain, path);
  for (let pause = 50;; pause = Math.min(pause * 2, 1000)) {
    const status = await agentCommand(virsh, domain, "guest-exec-status", 10, {
      pid: started.pid,
    }) as Readonly<Record<string, unknown>> | undefined;
    if (status?.["exited"] === true) {
      const { exitcode, "out-data": out, "err-data": err } = status;
      return {
        code: typeof exitcode === "number" ? exitcode : undefined,
        words: lastLine(err) || lastLine(out),
      };
    }
    if (status?.["exited"] !== false) throw badAnswer(domain, path);
    if (clock.monotonic() > until) {
      throw new VmbError(
        `"${path}" in the guest "${domain.name}" did not end within ${timeoutSeconds} s`,
        { code: "guest.exec", hint: "It still runs: look at it in the guest" },
      );
    }
    await clock.sleep(pause);
  }
}

function badAnswer({ name }: Domain, path: string): VmbError {
  return new VmbError(`Guest agent of "${name}" gave no sensible answer for "${path}"`, {
    code: "guest.exec",
  });
}

function lastLine(data: unknown): string {
  if (typeof data !== "string") return "";
  let text: string;
  try {
    text = atob(data.slice(0, 65_536 - 65_536 % 4));
  } catch {
    return "";
  }
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  // deno-lint-ignore no-control-regex -- control characters are exactly what must go
  const lines = new TextDecoder().decode(bytes).trim().split(/[\u0000-\u001f\u007f-\u009f]+/);
  return (lines.at(-1) ?? "").slice(0, 200);
}
