import { toVmbError, VmbError } from "../error.ts";
import { counted } from "../format/counted.ts";
import type { Report } from "../event.ts";
import { jobFailedMessage } from "../notify/job_failed_message.ts";
import { sendToSlack } from "../notify/slack.ts";
import { readSecrets, secretsFile } from "../secrets/secrets_file.ts";
import type { Files } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { noteTold } from "./alert.ts";

/** A failure that the Director's hook noted: the catalog may not have been there to hear of it. */
export interface FailureNote {
  readonly jobId: number;
  readonly job: string;
  readonly client: string;
  readonly status: string;
}

/** Where the Director's hook puts the notes of jobs that failed, and those that nobody was told of yet. */
export function notesFolder(state: string): { readonly notes: string; readonly untold: string } {
  return { notes: `${state}/failed`, untold: `${state}/failed/untold` };
}

/** A note is one line; what is longer was not written by the hook. */
const longestNote = 4096;

/**
 * Tells Slack of each job that failed and that it was not told of. What it took is not told again; what it did not
 * take stays, for whoever calls again.
 *
 * The webhook comes from `secrets.conf` alone: whatever else the repository has may be what is wrong. Where there is
 * none, nobody is to be told.
 *
 * @param options.repository absolute path of its folder
 * @returns the numbers of the jobs that were told of
 * @throws {VmbError} `notify.failed` when Slack did not take them all
 */
export async function tellFailures(
  system: Pick<System, "clock" | "files" | "network">,
  { repository, state, report }: {
    readonly repository: string;
    readonly state: string;
    readonly report: Report;
  },
): Promise<readonly number[]> {
  const { files } = system;
  const { untold } = notesFolder(state);
  const names = await untoldNotes(files, state);
  if (names.length === 0) return [];
  const { secrets } = await readSecrets(files, `${repository}/${secretsFile}`);
  const webhook = secrets.get("SLACK_FAILURE_WEBHOOK");
  const told: number[] = [];
  for (const name of names) {
    const path = `${untold}/${name}`;
    const note = await readNote(files, path);
    if (webhook !== undefined && note !== undefined) {
      if (!await sendToSlack(system, webhook, jobFailedMessage(note), report)) break;
      told.push(note.jobId);
    }
    await files.remove(path);
  }
  if (told.length > 0) await noteTold(system, state, ["jobs"]);
  const left = (await untoldNotes(files, state)).length;
  if (webhook === undefined || left === 0) return told;
  throw new VmbError(`Slack was not told of ${counted(left, "job")} that failed`, {
    code: "notify.failed",
    hint: "It is tried again until Slack takes it; is SLACK_FAILURE_WEBHOOK of secrets.conf right?",
  });
}

/** Names of the notes that nobody was told of, the oldest job first. */
export async function untoldNotes(
  files: Pick<Files, "inspectTarget" | "list">,
  state: string,
): Promise<readonly string[]> {
  const { untold } = notesFolder(state);
  if (await files.inspectTarget(untold) === undefined) return [];
  return (await files.list(untold)).filter((name) => /^\d{1,12}\.json$/.test(name))
    .sort((one, other) => parseInt(one) - parseInt(other));
}

/** What the hook wrote; of what is no note, what its name says. `undefined` where it is gone meanwhile. */
async function readNote(
  files: Pick<Files, "inspect" | "readText">,
  path: string,
): Promise<FailureNote | undefined> {
  const jobId = parseInt(path.slice(path.lastIndexOf("/") + 1));
  const bare: FailureNote = { jobId, job: `job ${jobId}`, client: "?", status: "failed" };
  const info = await files.inspect(path);
  if (info === undefined) return undefined;
  if (info.kind !== "file" || info.size > longestNote) return bare;
  try {
    const { job, client, status } = JSON.parse(await files.readText(path));
    return { jobId, job: String(job), client: String(client), status: String(status) };
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return bare;
    throw toVmbError(thrown);
  }
}
