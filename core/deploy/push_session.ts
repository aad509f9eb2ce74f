import { toVmbError, VmbError } from "../error.ts";
import { answersFile, writeAnswers } from "../install/answers.ts";
import type { DescribedPlan } from "../install/describe.ts";
import { places } from "../install/places.ts";
import type { Answer } from "../install/plan.ts";
import type { Argv, Completed } from "../sys/process.ts";
import type { Remote } from "../ssh/remote.ts";
import { remoteFault } from "../ssh/remote_fault.ts";

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

/** A push to one hypervisor. */
export interface PushSession {
  /** What an installation would do. */
  plan(): Promise<DescribedPlan>;
  install(answers: ReadonlyMap<string, Answer>): Promise<DescribedPlan>;
  /** Removes a program that was brought; says nothing if the hypervisor is gone. */
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly program: PushedProgram;
  readonly files: ReadonlyMap<string, string>;
  readonly flags: InstallFlags;
  /** Where the program unpacks itself there; `undefined` for its own place. */
  readonly unpackDir: string | undefined;
  /** Nothing of it stays, so that the program must not leave its unpacked files either. */
  readonly dryRun: boolean;
}

/** How long the program may take to arrive, and to install itself, in milliseconds. */
const copyMs = 15 * 60_000;
const limit = { timeoutMs: 5 * 60_000 };

// The scripts are fixed: what differs comes as their arguments, and content by stdin. What each makes goes when it
// ends, however that is, for a password is among the files; only the program, which is none, stays for the next.

/** Makes a folder that goes when the script ends, and takes away what scripts that were killed left. */
const folderScript = `set -eu
umask 077
base=$1
shift
[ -d "$base" ] || mkdir -m 0755 "$base"
for old in "$base"/.push.[0-9]*; do
  pid=\${old##*/.push.}
  [ ! -d "$old" ] || [ -d "/proc/\${pid%%.*}" ] || rm -rf "$old"
done
find "$base" -mindepth 1 -maxdepth 1 -name '.push.program.*' -mtime +0 -exec rm -rf {} +
folder=
unpacked=
leave() { rm -rf \${folder:+"$folder"} \${unpacked:+"$unpacked"}; rmdir "$base" 2>/dev/null || :; }
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
`;

/** Says what is installed. */
const lookScript = `set -eu
[ ! -f "$1" ] || { sha256sum <"$1"; exit; }
echo none`;

/** Keeps its folder, whose path it says, when the program arrived whole. */
const receiveScript = `${folderScript}
wanted=$1
folder=$(mktemp -d "$base/.push.program.XXXXXXXX")
cat >"$folder/vmb"
chmod 0755 "$folder/vmb"
case $(sha256sum <"$folder/vmb") in
  "$wanted "*) ;;
  *) echo "the program did not arrive as it was sent" >&2; exit 1 ;;
esac
echo "$folder"
trap - EXIT`;

/** Brings the files, each with its length, and has the program install from their folder. */
const installScript = `${folderScript}
unpack=$1
count=$2
shift 2
folder=$(mktemp -d "$base/.push.$$.XXXXXXXX")
while [ "$count" -gt 0 ]; do
  head -c "$2" >"$folder/$1"
  [ "$(wc -c <"$folder/$1")" -eq "$2" ] || { echo "not all of \\"$1\\" arrived" >&2; exit 1; }
  count=$((count - 1))
  shift 2
done
case $unpack in
  '') ;;
  -) VMB_UNPACK_DIR=$folder/unpacked; export VMB_UNPACK_DIR ;;
  -*) unpacked=$(mktemp -d "\${unpack#-}/.push.$$.XXXXXXXX"); VMB_UNPACK_DIR=$unpacked; export VMB_UNPACK_DIR ;;
  *) VMB_UNPACK_DIR=$unpack; export VMB_UNPACK_DIR ;;
esac
program=$1
shift
status=0
"$program" hv install --from "$folder" "$@" </dev/null || status=$?
exit "$status"`;

const removeScript = `rm -rf -- "$1"
rmdir -- "$2" 2>/dev/null || :`;

/** Brings the program to a hypervisor, if another one is installed there. Nothing that is installed is touched. */
export async function openSession(remote: Remote, options: SessionOptions): Promise<PushSession> {
  const { program, files, flags, unpackDir, dryRun } = options;
  const looked = await remote.runOk(script(lookScript, places.program));
  const installed = looked.stdout.trim().split(" ")[0] ?? "";
  if (!/^(none|[0-9a-f]{64})$/.test(installed)) throw unexpected(remote.name, looked.stdout);
  const folder = installed === program.sha256 ? undefined : await bring();
  const executable = folder === undefined ? places.program : `${folder}/vmb`;

  return {
    plan: () => install([], "--dry-run"),
    install: (answers) => install([[answersFile, writeAnswers(answers)]]),
    async close() {
      if (folder === undefined) return;
      await remote.run(script(removeScript, folder, places.base)).catch(() => {});
    },
  };

  async function bring(): Promise<string> {
    const received = await remote.runOk(script(receiveScript, places.base, program.sha256), {
      stdin: program.bytes,
      timeoutMs: copyMs,
    });
    const made = received.stdout.trim();
    if (made.startsWith(`${places.base}/.push.program.`)) return made;
    throw unexpected(remote.name, received.stdout);
  }

  async function install(
    more: readonly (readonly [string, string])[],
    ...words: readonly string[]
  ): Promise<DescribedPlan> {
    const contents = [...files, ...more].map(([name, text]) => {
      const bytes = encoder.encode(text);
      return { bytes, words: [name, String(bytes.length)] };
    });
    const argv = script(
      installScript,
      ...[places.base, `${dryRun ? "-" : ""}${unpackDir ?? ""}`, String(contents.length)],
      ...contents.flatMap(({ words }) => words),
      ...[executable, "--json"],
      ...flags.timers === undefined ? [] : ["--timers", flags.timers],
      ...flags.changed === "replace" ? ["--yes"] : flags.changed === "keep" ? ["--keep-all"] : [],
      ...words,
    );
    const stdin = joined(contents.map(({ bytes }) => bytes));
    return readPlan(await remote.run(argv, { ...limit, stdin }), remote);
  }
}

function unexpected(name: string, stdout: string): VmbError {
  const said = stdout.trim().split("\n")[0] ?? "";
  return new VmbError(`Unexpected answer of ${name}: "${said.slice(0, 200)}"`, {
    code: "push.answer",
    hint: "Does a file that the shell reads at login print something?",
  });
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

function readPlan(completed: Completed, { hypervisor }: Remote): DescribedPlan {
  const { stdout } = completed;
  let value: unknown;
  try {
    value = JSON.parse(stdout.slice(stdout.indexOf("{")));
  } catch {
    throw remoteFault(completed, hypervisor);
  }
  const { error } = value as { error?: { code: string; message: string; hint: string | null } };
  if (error === undefined) return value as DescribedPlan;
  throw toVmbError(
    new VmbError(error.message, { code: error.code, hint: error.hint ?? undefined }),
  );
}
