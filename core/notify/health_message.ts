import type { CheckResult } from "../checks/check.ts";
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
