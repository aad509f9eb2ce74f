import type { CheckResult } from "../checks/check.ts";
import type { VmbError } from "../error.ts";
import { cut, escape, type SlackMessage } from "./slack.ts";

/** At most this many findings are shown; Slack takes 50 blocks of 3000 characters. */
const shown = 12;

/** What fails on a control VM and what to do about it, or that all is well again. */
export function healthMessage(site: string, failures: readonly CheckResult[]): SlackMessage {
  if (failures.length === 0) {
    const text = `Backups of ${escape(site)}: all checks pass again`;
    return {
      text,
      blocks: [{ type: "section", text: { type: "mrkdwn", text: `✅ ${text}` } }],
    };
  }
  const count = failures.length === 1 ? "1 check fails" : `${failures.length} checks fail`;
  const title = `Backups of ${site}: ${count}`;
  const lines = failures.slice(0, shown).map(({ name, detail, hint }) =>
    `*${escape(name)}*: ${escape(cut(detail, 400))}${hint === undefined ? "" : `\n${escape(hint)}`}`
  );
  const more = failures.length > shown ? [`and ${failures.length - shown} more`] : [];
  return {
    text: escape(`${title}: ${failures.map(({ name }) => name).join(", ")}`),
    blocks: [
      { type: "header", text: { type: "plain_text", text: cut(`❌ ${title}`, 150) } },
      ...[...lines, ...more, "Next: vmb ctl check; vmb ctl fix"].map((text) => ({
        type: "section" as const,
        text: { type: "mrkdwn" as const, text },
      })),
    ],
  };
}

/** That the check itself could not run, so that nobody knows how the backups are. */
export function notCheckedMessage({ machine, repository, error }: {
  readonly machine: string;
  readonly repository: string;
  readonly error: VmbError;
}): SlackMessage {
  const title = `Backups are not checked: vmb ctl check cannot run on ${machine}`;
  const next = `${error.hint ?? "Put that right"}; then there: vmb ctl check ${repository}`;
  return {
    text: cut(escape(`${title}: ${error.message}. Next: ${next}`), 2900),
    blocks: [
      { type: "header", text: { type: "plain_text", text: cut(`❌ ${title}`, 150) } },
      ...[cut(escape(error.message), 2500), `Next: ${escape(cut(next, 400))}`].map((text) => ({
        type: "section" as const,
        text: { type: "mrkdwn" as const, text },
      })),
    ],
  };
}
