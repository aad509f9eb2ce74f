import type { Argv } from "../sys/process.ts";

/**
 * A shell that runs a program, and ends it with SIGTERM when a line comes in: ssh hands on no signals without a
 * terminal. The end of the input alone, as when the connection breaks, ends nothing: what a person began goes
 * on. The shell ends with the program's own status.
 */
const script = `"$@" </dev/null & run=$!
exec 3<&0
{ read -r _ <&3 && kill -TERM "$run"; } >/dev/null 2>&1 & watch=$!
wait "$run"; status=$?
kill "$watch" 2>/dev/null
exit "$status"`;

/** Makes a program that a line on its stdin ends as SIGTERM does. */
export function stoppable(argv: Argv): Argv {
  return ["sh", "-c", script, "sh", ...argv];
}
