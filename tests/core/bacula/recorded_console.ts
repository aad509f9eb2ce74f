import { type BaculaRelease, baculaReleases } from "../../lab/bacula_tools.ts";
import type { Processes } from "../../../core/sys/process.ts";

export const releases = Object.keys(baculaReleases) as readonly BaculaRelease[];

/**
 * What bconsole of a release printed in a session with a real Director: jobs `vm-web` (ended well), `vm-slow`
 * (25 s, ended with a warning), `vm-broken` (failed) and others of a lab.
 */
export async function recorded(release: BaculaRelease, session: Session): Promise<string> {
  return await Deno.readTextFile(new URL(`answers/${release}/${session}.txt`, import.meta.url));
}

export type Session = keyof typeof sessions;

const history = new RegExp('^\\.sql query="SELECT concat_ws');
const schedule = /^status schedule days=\d+ limit=10000$/;

/** The commands of each session. */
export const sessions = {
  run: [
    "run job=vm-web level=Incremental yes",
    "run job=vm-slow yes",
    "run job=vm-broken yes",
  ],
  run_unknown: ["run job=nope yes"],
  jobs: [".jobs"],
  running: [".api 2", ".status dir running"],
  llist_running: ["llist jobid=2"],
  llist: ["llist jobid=1", "llist jobid=3", "llist jobid=999"],
  joblog: ["llist joblog jobid=3"],
  schedule: [".api 2", schedule],
  history: [history],
  cancel_unknown: ["cancel jobid=77 yes"],
  nothing: [".status dir running", "llist joblog jobid=999"],
  catalog_down: ["llist jobid=1", '.sql query="select 1"'],
  // Of 15.0.3 alone, as the monitor.
  daemons: ["version", "status storage=vmb-file", "status client=hv1-fd"],
  client_away: ["status client=hv1-fd"],
  canceling: [".api 2", ".status dir running"],
  running_without_catalog: ["version", ".api 2", ".status dir running"],
} as const satisfies Readonly<Record<string, readonly (string | RegExp)[]>>;

/**
 * A door to programs behind which bconsole answers as it was recorded; a command that no session has is an error.
 *
 * @param answers to say instead, by command
 */
export function recordedConsole(
  release: BaculaRelease,
  answers: Readonly<Record<string, string>> = {},
): Pick<Processes, "run"> & { readonly said: readonly string[] } {
  const said: string[] = [];
  return {
    said,
    async run(argv, { stdin = "" } = {}) {
      const commands = stdin.toString().trim().split("\n").slice(0, -1);
      said.push(...commands);
      const sections = await Promise.all(
        commands.map(async (command) =>
          `${command}\n${answers[command] ?? await sectionOf(release, command)}\n`
        ),
      );
      const stdout = `Connecting to Director vmb-director:9101
1000 OK: 10002 vmb-dir Version: ${release}
Enter a period to cancel a command.
${sections.join("")}quit
`;
      return { argv, code: 0, stdout, stderr: "" };
    },
  };
}

async function sectionOf(release: BaculaRelease, command: string): Promise<string> {
  for (const [session, commands] of Object.entries(sessions)) {
    const matches = (each: string | RegExp, line: string) =>
      typeof each === "string" ? each === line : each.test(line);
    if (session === "catalog_down" || session === "nothing") continue;
    if (!commands.some((each) => matches(each, command))) continue;
    const lines = (await recorded(release, session as Session)).split("\n");
    const start = lines.findIndex((line) =>
      line === command ||
      [history, schedule].some((each) => each.test(command) && each.test(line))
    );
    const end = lines.findIndex((line, index) =>
      index > start && [...commands, "quit"].some((each) => matches(each, line))
    );
    return lines.slice(start + 1, end).join("\n");
  }
  throw new Error(`Nobody recorded what is answered to: ${command}`);
}
