import type { KnownBlock } from "@slack/types";
import { escapedText } from "../format/escaped.ts";
import type { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { System } from "../sys/system.ts";

/** A message for an incoming webhook: blocks for people, text for notifications and plain clients. */
export interface SlackMessage {
  readonly text: string;
  readonly blocks: readonly KnownBlock[];
}

export interface RunNotice {
  /** What was run: `Backup`. */
  readonly title: string;
  /** What runs it again. */
  readonly command: string;
  readonly vm: string;
  readonly hypervisor: string;
  readonly time: Date;
}

/** What went wrong, where, and what to do next. */
export function failureMessage(
  notice: RunNotice & { step: string; error: VmbError },
): SlackMessage {
  const { vm, hypervisor, step, error, time } = notice;
  const next = error.hint ?? `Look at the log on ${hypervisor}, then run: ${notice.command}`;
  const title = `${notice.title} of ${vm} on ${hypervisor} failed`;
  return {
    text: cut(escape(`${title} at ${step}: ${error.message}. Next: ${next}`), 2900),
    blocks: [
      { type: "header", text: { type: "plain_text", text: cut(`❌ ${title}`, 150) } },
      {
        type: "section",
        fields: [
          { type: "mrkdwn", text: `*VM*\n${escape(vm)}` },
          { type: "mrkdwn", text: `*Hypervisor*\n${escape(hypervisor)}` },
          { type: "mrkdwn", text: `*Step*\n${escape(step)}` },
          { type: "mrkdwn", text: `*Time*\n${time.toISOString()}` },
        ],
      },
      {
        type: "section",
        text: { type: "mrkdwn", text: `*Error*\n${cut(escape(error.message), 2500)}` },
      },
      { type: "section", text: { type: "mrkdwn", text: `*Next*\n${cut(escape(next), 2500)}` } },
    ],
  };
}

export function successMessage(notice: RunNotice & { text: string }): SlackMessage {
  const { title, vm, hypervisor, text } = notice;
  const line = `✅ ${title} of ${vm} on ${hypervisor}: ${text}`;
  return {
    text: cut(escape(line), 2900),
    blocks: [{ type: "section", text: { type: "mrkdwn", text: cut(escape(line), 2900) } }],
  };
}

export function testMessage(hypervisor: string, time: Date): SlackMessage {
  const line = `Test message of vmb on ${hypervisor} at ${time.toISOString()}`;
  return {
    text: escape(line),
    blocks: [{ type: "section", text: { type: "mrkdwn", text: escape(line) } }],
  };
}

/** Milliseconds to wait before each further attempt. */
const pauses = [500, 2000, 5000] as const;

/**
 * Sends a message, with a few attempts. A dead Slack changes nothing: the outcome is only reported, and the
 * webhook's address, which is a secret, is in no message.
 *
 * @returns whether Slack took it
 */
export async function sendToSlack(
  { network, clock }: Pick<System, "network" | "clock">,
  webhook: string,
  message: SlackMessage,
  report: Report,
): Promise<boolean> {
  let problem = "";
  for (const pause of [...pauses, undefined]) {
    let wait: number | undefined = pause;
    try {
      const answer = await network.postJson(webhook, message, { timeoutMs: 10_000 });
      if (answer.status >= 200 && answer.status < 300) return true;
      problem = `HTTP status ${answer.status}`;
      const permanent = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
      if (permanent) break;
      if (answer.retryAfter !== undefined && wait !== undefined) {
        wait = Math.min(answer.retryAfter * 1000, 30_000);
      }
    } catch (error) {
      problem = withoutSecret(error instanceof Error ? error.message : String(error), webhook);
    }
    if (wait !== undefined) await clock.sleep(wait);
  }
  report({
    kind: "warning",
    text: `Slack did not take the message: ${problem}`,
    hint: "Check the webhook with: vmb hv notify test",
  });
  return false;
}

function withoutSecret(text: string, webhook: string): string {
  return text.replaceAll(webhook, "(webhook)").replace(/https?:\/\/\S+/g, "(webhook)");
}

/** Slack's own rule for text in mrkdwn. */
export function escape(text: string): string {
  return escapedText(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
