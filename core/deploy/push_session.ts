import { toVmbError, VmbError } from "../error.ts";
import { answersFile, writeAnswers } from "../install/answers.ts";
import type { DescribedPlan } from "../install/describe.ts";
import { places } from "../install/places.ts";
import type { Answer } from "../install/plan.ts";
import { sha256 } from "../install/state.ts";
import type { Argv, Completed } from "../sys/process.ts";
import type { Remote } from "../ssh/remote.ts";

/** The program that is pushed; it is read once for all hypervisors. */
export interface PushedProgram {
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** What the self-installation of the other side is told. */
export interface InstallFlags {
  readonly timers: string | undefined;
  readonly changed: "ask" | "replace" | "keep";
}

/** Files of a push that lie on a hypervisor, in a folder of their own, until they are installed. */
export interface PushSession {
  /** What an installation would do. */
  plan(): Promise<DescribedPlan>;
  install(answers: ReadonlyMap<string, Answer>): Promise<DescribedPlan>;
  /** Removes the folder; says nothing if the hypervisor is gone. */
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly program: PushedProgram;
  readonly files: ReadonlyMap<string, string>;
  readonly flags: InstallFlags;
  /** Nothing of it stays, so that the program must not leave its unpacked files either. */
  readonly dryRun: boolean;
}

/** How long the program may take to arrive, and to install itself, in milliseconds. */
const copyMs = 15 * 60_000;
const limit = { timeoutMs: 5 * 60_000 };

// The scripts are fixed: what differs comes as their arguments, and content by stdin. Each connection takes
// a while, so that one brings all small files.
const prepareScript = `set -eu
umask 077
base=$1 program=$2
shift 2
[ -d "$base" ] || mkdir -m 0755 "$base"
find "$base" -mindepth 1 -maxdepth 1 -name '.push.*' -mtime +0 -exec rm -rf {} +
folder=$(mktemp -d "$base/.push.XXXXXXXX")
echo "$folder"
if [ -f "$program" ]; then sha256sum <"$program"; else echo none; fi
while [ $# -gt 0 ]; do
  head -c "$2" >"$folder/$1"
  sha256sum <"$folder/$1"
  shift 2
done`;
const receiveScript = `set -eu
umask 077
cat >"$1"
chmod 0755 "$1"
sha256sum <"$1"`;
const answeredScript = `set -eu
umask 077
cat >"$1"
shift
exec "$@"`;
const removeScript = `rm -rf -- "$1"
rmdir -- "$2" 2>/dev/null || :`;

/**
 * Brings the files of a push to a hypervisor, the program only if another one is installed there. Nothing
 * that is installed is touched.
 */
export async function openSession(remote: Remote, options: SessionOptions): Promise<PushSession> {
  const { program, files, flags, dryRun } = options;
  const contents = [...files].map(([name, text]) => ({ name, bytes: encoder.encode(text) }));
  const prepared = await remote.runOk(
    script(
      prepareScript,
      ...[places.base, places.program],
      ...contents.flatMap(({ name, bytes }) => [name, String(bytes.length)]),
    ),
    { stdin: joined(contents.map(({ bytes }) => bytes)) },
  );
  const [folder = "", installed = "", ...digests] = prepared.stdout.split("\n");
  if (!folder.startsWith(`${places.base}/.push.`)) {
    throw new VmbError(`Unexpected answer of ${remote.name}: "${prepared.stdout.slice(0, 200)}"`, {
      code: "push.answer",
      hint: "Does a file that the shell reads at login print something?",
    });
  }
  let executable: string = places.program;
  const session: PushSession = {
    plan: async () => readPlan(await remote.run(installation("--dry-run"), limit), remote.name),
    async install(answers) {
      const argv = script(answeredScript, `${folder}/${answersFile}`, ...installation());
      const ended = await remote.run(argv, { ...limit, stdin: writeAnswers(answers) });
      return readPlan(ended, remote.name);
    },
    async close() {
      await remote.run(script(removeScript, folder, places.base)).catch(() => {});
    },
  };

  function installation(...more: readonly string[]): Argv {
    return [
      // In a dry run nothing may stay, and the program unpacks itself.
      ...["env", ...dryRun ? [`VMB_UNPACK_DIR=${folder}/unpacked`] : []] as const,
      ...[executable, "hv", "install", "--from", folder, "--json"],
      ...(flags.timers === undefined ? [] : ["--timers", flags.timers]),
      ...(flags.changed === "replace" ? ["--yes"] : flags.changed === "keep" ? ["--keep-all"] : []),
      ...more,
    ];
  }

  try {
    contents.forEach(({ name, bytes }, index) =>
      assertArrived(name, sha256(bytes), digests[index])
    );
    if (digestIn(installed) !== program.sha256) {
      executable = `${folder}/vmb`;
      const received = await remote.runOk(script(receiveScript, executable), {
        stdin: program.bytes,
        timeoutMs: copyMs,
      });
      assertArrived("vmb", program.sha256, received.stdout);
    }
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }

  function assertArrived(name: string, digest: string, said: string | undefined): void {
    if (digestIn(said ?? "") === digest) return;
    throw new VmbError(`"${name}" did not arrive at ${remote.name} as it was sent`, {
      code: "push.copy",
      hint: `Is there room in ${places.base}?`,
    });
  }
}

const encoder = new TextEncoder();

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

function script(text: string, ...args: readonly string[]): Argv {
  return ["sh", "-c", text, "sh", ...args];
}

function digestIn(line: string): string {
  return line.trim().split(" ")[0] ?? "";
}

function readPlan(completed: Completed, name: string): DescribedPlan {
  const { stdout, stderr } = completed;
  let value: unknown;
  try {
    value = JSON.parse(stdout.slice(stdout.indexOf("{")));
  } catch {
    const said = (stderr.trim() || stdout.trim()).split("\n").slice(-3).join(" | ");
    throw new VmbError(`Installation on ${name} gave no result: ${said}`, { code: "push.answer" });
  }
  const { error } = value as { error?: { code: string; message: string; hint: string | null } };
  if (error === undefined) return value as DescribedPlan;
  throw toVmbError(
    new VmbError(error.message, { code: error.code, hint: error.hint ?? undefined }),
  );
}
