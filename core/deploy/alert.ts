import type { CheckResult } from "../checks/check.ts";
import { toVmbError, type VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { healthMessage, notCheckedMessage } from "../notify/health_message.ts";
import { sendToSlack, type SlackMessage } from "../notify/slack.ts";
import { readSecrets, secretsFile } from "../secrets/secrets_file.ts";
import type { System } from "../sys/system.ts";
import { controlPlaces } from "./places.ts";

interface LastAlert {
  /** Names of the checks that had failed. */
  readonly failed: readonly string[];
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Stands among the names of failed checks for the check itself. */
const notRun = "the check itself";

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
  { site, ...given }: AlertOptions & { readonly site: string },
): Promise<boolean> {
  const failures = results.filter(({ outcome }) => outcome === "failed");
  const names = failures.map(({ name }) => name).sort();
  return await tellNews(system, names, healthMessage(site, failures), given);
}

/**
 * Tells Slack, like `alert`, that the check itself could not run. Takes the webhook from `secrets.conf` alone,
 * since whatever else the repository has may be what is wrong; where even that is not to be had, nobody is told.
 *
 * @param repository absolute path of its folder
 * @returns whether Slack was told; never rejects, since its caller has an error that matters more
 */
export async function alertNotRun(
  system: Pick<System, "clock" | "files" | "host" | "network">,
  error: VmbError,
  { repository, report }: { readonly repository: string; readonly report: Report },
): Promise<boolean> {
  const { files, host } = system;
  try {
    const { secrets } = await readSecrets(files, `${repository}/${secretsFile}`);
    const webhook = secrets.get("SLACK_FAILURE_WEBHOOK");
    if (webhook === undefined) return false;
    // The site says whether its containers are root's, but may be unreadable; they are of whoever checks them.
    const { state } = controlPlaces({ rootless: host.uid() !== 0 }, host);
    const message = notCheckedMessage({ machine: host.name(), repository, error });
    return await tellNews(system, [notRun], message, { webhook, state, report });
  } catch (thrown) {
    report({ kind: "warning", text: `Slack was not told: ${toVmbError(thrown).message}` });
    return false;
  }
}

/**
 * Remembers that Slack was told of a check that fails before the check itself found it, so that it does not tell the
 * same again at once.
 */
export async function noteTold(
  system: Pick<System, "clock" | "files">,
  state: string,
  names: readonly string[],
): Promise<void> {
  const last = await lastAlert(system, alertPath(state));
  const failed = [...new Set([...last.failed, ...names])].sort();
  await remember(system, state, failed);
}

function alertPath(state: string): string {
  return `${state}/alert.json`;
}

async function remember(
  { clock, files }: Pick<System, "clock" | "files">,
  state: string,
  failed: readonly string[],
): Promise<void> {
  await files.makeFolder(state, { mode: 0o700 });
  const told: LastAlert = { failed, time: clock.now().getTime() };
  await files.write(alertPath(state), `${JSON.stringify(told)}\n`, { mode: 0o600 });
}

interface AlertOptions {
  readonly webhook: string;
  /** Folder in which vmb remembers what it told. */
  readonly state: string;
  readonly report: Report;
}

async function tellNews(
  system: Pick<System, "clock" | "files" | "network">,
  names: readonly string[],
  message: SlackMessage,
  { webhook, state, report }: AlertOptions,
): Promise<boolean> {
  const last = await lastAlert(system, alertPath(state));
  const now = system.clock.now().getTime();
  const same = JSON.stringify(last.failed) === JSON.stringify(names);
  if (same && (names.length === 0 || now - last.time < repeatMs)) return false;
  const sent = await sendToSlack(system, webhook, message, report);
  if (!sent) return false;
  await remember(system, state, names);
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
