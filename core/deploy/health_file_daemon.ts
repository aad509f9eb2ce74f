import type { Bconsole } from "../bacula/bconsole.ts";
import { consoleLine } from "../bacula/console_line.ts";
import { daemonVersion, directorVersion } from "../bacula/daemon_version.ts";
import { clientName } from "../bacula/names.ts";
import { type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import type { SiteHypervisor } from "../config/site.ts";
import { toVmbError } from "../error.ts";
import type { System } from "../sys/system.ts";

/** The version of Bacula that hypervisors are configured for. */
const oldest = "15.0.2";

/** Whether the Director can work with the File Daemon of a hypervisor: it listens, answers, and is not newer. */
export async function fileDaemon(
  { network }: Pick<System, "network">,
  bconsole: Bconsole,
  { name, address, fdPort }: SiteHypervisor,
): Promise<CheckVerdict> {
  // The Director itself would try for three minutes.
  try {
    await network.probeTcp(address, fdPort, { timeoutMs: 5000 });
  } catch (thrown) {
    return failed(
      `cannot reach port ${fdPort} of ${address}: ${toVmbError(thrown).message}`,
      `On ${name}: systemctl status bacula-fd; firewall-cmd --list-all`,
    );
  }
  const client = clientName(name);
  const [status = ""] = await bconsole.say(consoleLine("status", ["client", client]));
  const version = daemonVersion(status, client);
  if (version === undefined) {
    const error = /^.*(?:ERR=|Error|Failed)[^\n]*$/m.exec(status)?.[0]?.trim();
    return failed(
      `gives the Director no answer${error === undefined ? "" : `: ${error}`}`,
      `Passwords may differ; run: vmb ctl push ${name}`,
    );
  }
  const director = await directorVersion(bconsole);
  if (director !== undefined && compareVersions(version, director) > 0) {
    return failed(
      `Bacula ${version} is newer than the Director (${director}), which then cannot work with it`,
      "Update the images in site.yaml first",
    );
  }
  return compareVersions(version, oldest) < 0
    ? warned(`Bacula ${version} is older than ${oldest}`, `Update bacula-client on ${name}`)
    : passed(`Bacula ${version}`);
}

/** Compares versions of three numbers: negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [a, b].map((text) => text.split(".").map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (first?.[index] ?? 0) - (second?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
