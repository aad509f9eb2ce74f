import type { Site } from "../config/site.ts";
import { baculaCommand } from "./command.ts";
import { resourceNames } from "./names.ts";
import { type Line, list, type Resource, syntax } from "./resource.ts";

/** Of the Director itself, of jobs, of the job whose log is always sent, and of consoles. */
export const messageNames = {
  daemon: "Daemon",
  standard: "Standard",
  summary: "Summary",
  console: "Console",
} as const;

/**
 * Messages of the Director: to its output, syslog and the catalog; and mail.
 *
 * A session of a console takes the messages of the first job of the file, and never ends as a job that went well:
 * with "mail on error" each question to the Director would be a mail (dird/ua_server.c, new_control_jcr). The
 * Director's own are closed at a reload, and would be one too.
 */
export function directorMessages(site: Pick<Site, "mail">): readonly Resource[] {
  return [
    messages(messageNames.daemon, []),
    messages(messageNames.console, [["catalog", syntax("all")]]),
    messages(messageNames.standard, [
      ...mail(site, "mail on error"),
      ["catalog", syntax("all")],
    ]),
    messages(messageNames.summary, [
      ...mail(site, "mail"),
      ["catalog", syntax("all")],
    ]),
  ];
}

/** Messages of a Storage or a File Daemon: the Director gets them. */
export function daemonMessages(types: string): Resource {
  return {
    kind: "Messages",
    lines: [
      ["Name", messageNames.standard],
      ["director", syntax(`${resourceNames.director} = ${types}`)],
    ],
  };
}

function messages(name: string, lines: readonly Line[]): Resource {
  return {
    kind: "Messages",
    lines: [
      ["Name", name],
      ...lines,
      ["stdout", syntax("all, !skipped")],
      ["console", syntax("all, !skipped, !saved")],
      ["syslog", syntax("all, !skipped")],
    ],
  };
}

/** The command stands before its destination: Bacula takes the one that it knows by then. */
function mail({ mail }: Pick<Site, "mail">, destination: string): readonly Line[] {
  if (mail === undefined) return [];
  const subject = "Bacula: %t %e of %n on %c, level %l";
  const command = ["/usr/sbin/bsmtp", "-h", mail.relay, "-f", mail.from, "-s"];
  return [
    ["mailcommand", `${baculaCommand(command)} "${subject}" %r`],
    [destination, syntax(`${list(mail.recipients).syntax} = all, !skipped`)],
  ];
}
