import type { CheckResult } from "../checks/check.ts";
import type { Report } from "../event.ts";
import { healthMessage } from "../notify/health_message.ts";
import { sendToSlack } from "../notify/slack.ts";
import type { System } from "../sys/system.ts";

interface LastAlert {
  /** Names of the checks that had failed. */
  readonly failed: readonly string[];
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** The same trouble is told again after this time, in milliseconds. */
const repeatMs = 86_400_000;

/**
 * Tells Slack what fails; again only when something else fails, or a day later; and once when all is well.
 *
 * @returns whether Slack was told
 */
export async function alert(
  system: Pick<System, "clock" | "files" | "network">,
  results: readonly CheckResult[],
  { site, webhook, state, report }: {
    readonly site: string;
    readonly webhook: string;
    /** Folder in which vmb remembers what it told. */
    readonly state: string;
    readonly report: Report;
  },
): Promise<boolean> {
  const { clock, files } = system;
  const failures = results.filter(({ outcome }) => outcome === "failed");
  const names = failures.map(({ name }) => name).sort();
  const path = `${state}/alert.json`;
  const last = await lastAlert(system, path);
  const now = clock.now().getTime();
  const same = JSON.stringify(last.failed) === JSON.stringify(names);
  if (same && (names.length === 0 || now - last.time < repeatMs)) return false;
  const sent = await sendToSlack(system, webhook, healthMessage(site, failures), report);
  if (!sent) return false;
  await files.makeFolder(state, { mode: 0o700 });
  const told: LastAlert = { failed: names, time: now };
  await files.write(path, `${JSON.stringify(told)}\n`, { mode: 0o600 });
  return true;
}

async function lastAlert(
  { files }: Pick<System, "files">,
  path: string,
): Promise<LastAlert> {
  const none: LastAlert = { failed: [], time: 0 };
  if (await files.inspectTarget(path) === undefined) return none;
  try {
    return { ...none, ...JSON.parse(await files.readText(path)) };
  } catch {
    return none;
  }
}
