import { toVmbError, VmbError } from "../error.ts";
import { answersFile, writeAnswers } from "../install/answers.ts";
import type { DescribedPlan } from "../install/describe.ts";
import { places } from "../install/places.ts";
import type { Answer } from "../install/plan.ts";
import { sha256 } from "../install/state.ts";
import type { Argv, Completed } from "../sys/process.ts";
import type { Remote } from "./remote.ts";

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
const installMs = 5 * 60_000;

// The scripts are fixed: what differs comes as their arguments.
const prepareScript = `set -eu
umask 077
[ -d "$1" ] || mkdir -m 0755 "$1"
find "$1" -mindepth 1 -maxdepth 1 -name '.push.*' -mtime +0 -exec rm -rf {} +
mktemp -d "$1/.push.XXXXXXXX"
if [ -f "$2" ]; then sha256sum <"$2"; fi`;
const receiveScript = `set -eu
umask 077
cat >"$1"
chmod "$2" "$1"
sha256sum <"$1"`;
const removeScript = `rm -rf -- "$1"
rmdir -- "$2" 2>/dev/null || :`;

/**
 * Brings the files of a push to a hypervisor, the program only if another one is installed there. Nothing
 * that is installed is touched.
 */
export async function openSession(remote: Remote, options: SessionOptions): Promise<PushSession> {
  const { program, files, flags, dryRun } = options;
  const prepared = await remote.runOk(script(prepareScript, places.base, places.program));
  const [folder = "", digest = ""] = prepared.stdout.split("\n");
  if (!folder.startsWith(`${places.base}/.push.`)) {
    throw new VmbError(`Unexpected answer of ${remote.name}: "${prepared.stdout.slice(0, 200)}"`, {
      code: "push.answer",
      hint: "Does a file that the shell reads at login print something?",
    });
  }
  const session: PushSession = {
    plan: () => install(["--dry-run"]),
    async install(answers) {
      await send(answersFile, writeAnswers(answers), "0600");
      return await install([]);
    },
    async close() {
      await remote.run(script(removeScript, folder, places.base)).catch(() => {});
    },
  };
  let executable: string = places.program;

  async function send(name: string, content: string | Uint8Array, mode: string): Promise<string> {
    const path = `${folder}/${name}`;
    const { stdout } = await remote.runOk(script(receiveScript, path, mode), {
      stdin: content,
      timeoutMs: copyMs,
    });
    if (digestIn(stdout) === sha256(content)) return path;
    throw new VmbError(`"${name}" did not arrive at ${remote.name} as it was sent`, {
      code: "push.copy",
      hint: `Is there room in ${places.base}?`,
    });
  }

  async function install(more: readonly string[]): Promise<DescribedPlan> {
    const unpack = dryRun ? ["env", `VMB_UNPACK_DIR=${folder}/unpacked`] : [];
    const [first = "", ...rest] = [
      ...[...unpack, executable, "hv", "install", "--from", folder, "--json"],
      ...(flags.timers === undefined ? [] : ["--timers", flags.timers]),
      ...(flags.changed === "replace" ? ["--yes"] : flags.changed === "keep" ? ["--keep-all"] : []),
      ...more,
    ];
    return readPlan(await remote.run([first, ...rest], { timeoutMs: installMs }), remote.name);
  }

  try {
    if (digestIn(digest) !== program.sha256) {
      executable = await send("vmb", program.bytes, "0755");
    }
    for (const [name, content] of files) await send(name, content, "0600");
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
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
