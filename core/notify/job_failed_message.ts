import { cut, escape, type SlackMessage } from "./slack.ts";

/** That a job of Bacula failed, and where to look. */
export function jobFailedMessage({ jobId, job, client, status }: {
  readonly jobId: number;
  readonly job: string;
  readonly client: string;
  readonly status: string;
}): SlackMessage {
  const text = cut(
    escape(`Bacula job ${job} on ${client} ended with: ${status}. Its log: vmb ctl log ${jobId}`),
    2900,
  );
  return { text, blocks: [{ type: "section", text: { type: "mrkdwn", text: `❌ ${text}` } }] };
}
