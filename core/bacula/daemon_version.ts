import type { Bconsole } from "./bconsole.ts";
import { resourceNames } from "./names.ts";

/**
 * Asks the Director for its version: `15.0.3`. It tells that without its catalog, for which `status` looks for
 * half a minute.
 *
 * @returns `undefined` for an answer that names none
 */
export async function directorVersion(bconsole: Bconsole): Promise<string | undefined> {
  const [answer = ""] = await bconsole.say("version");
  return daemonVersion(answer, resourceNames.director);
}

/**
 * Returns the version that a daemon's status begins with: `15.0.3`.
 *
 * @param name of the daemon, as it calls itself
 */
export function daemonVersion(status: string, name: string): string | undefined {
  const line = status.split("\n").find((line) => line.startsWith(`${name} Version: `));
  return line?.slice(`${name} Version: `.length).split(" ")[0];
}
