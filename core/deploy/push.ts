import type { SiteHypervisor } from "../config/site.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { DescribedPlan } from "../install/describe.ts";
import { places } from "../install/places.ts";
import type { Answer } from "../install/plan.ts";
import type { System } from "../sys/system.ts";
import { atOnce } from "../at_once.ts";
import {
  type InstallFlags,
  openSession,
  type PushedProgram,
  type PushSession,
} from "./push_session.ts";
import { openRemote } from "../ssh/remote.ts";

/** A hypervisor, and the files that it gets. */
export interface PushTarget {
  readonly hypervisor: SiteHypervisor;
  readonly files: ReadonlyMap<string, string>;
}

export interface PushOptions {
  readonly system: Pick<System, "processes">;
  readonly program: PushedProgram;
  readonly targets: readonly PushTarget[];
  readonly flags: InstallFlags;
  readonly dryRun: boolean;
  readonly sshConfig: string | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** Asks about files that were changed on a hypervisor; `undefined` when nobody is there. */
  readonly ask: (
    host: string,
    questions: DescribedPlan["changes"],
  ) => ReadonlyMap<string, Answer> | undefined;
}

/** How the push to one hypervisor ended. */
export interface PushOutcome {
  readonly host: string;
  readonly result: "changed" | "unchanged" | "planned" | "failed";
  /** What was or would be changed. */
  readonly changes: DescribedPlan["changes"];
  readonly commands: readonly string[];
  readonly notes: readonly string[];
  readonly error: VmbError | undefined;
}

interface Host {
  readonly name: string;
  readonly session: PushSession | undefined;
  readonly plan: DescribedPlan;
  readonly error: VmbError | undefined;
}

/** Hypervisors that are worked on side by side. */
const hostsAtOnce = 4;

const noPlan: DescribedPlan = { root: "", changes: [], commands: [], notes: [] };

/**
 * Brings program and configuration to hypervisors and has them installed. One that cannot be reached or
 * that fails does not keep the others from it. No hypervisor is changed before all questions are answered.
 *
 * @throws {VmbError} `push.changed-files` (exit 2) when nobody answers; no hypervisor was changed
 */
export async function push(options: PushOptions): Promise<readonly PushOutcome[]> {
  const { targets, signal } = options;
  const hosts = await atOnce(hostsAtOnce, targets, (target) => prepare(target, options));
  try {
    signal.throwIfAborted();
    if (options.dryRun) return hosts.map((host) => outcomeOf(host, "planned"));
    const answers = askAll(hosts, options);
    return await atOnce(hostsAtOnce, hosts, async (host) => {
      signal.throwIfAborted();
      return await install(host, answers.get(host.name) ?? new Map(), options);
    });
  } finally {
    await atOnce(hostsAtOnce, hosts, async ({ session }) => await session?.close());
  }
}

/** @throws {VmbError} `push.failed` when a hypervisor was not brought up to date */
export function assertPushed(outcomes: readonly PushOutcome[]): void {
  const failed = outcomes.filter(({ result }) => result === "failed");
  const [first] = failed;
  if (first === undefined) return;
  throw new VmbError(
    `Push failed for ${failed.length} of ${outcomes.length} hypervisors: ${
      failed.map(({ host }) => host).join(", ")
    }`,
    { code: "push.failed", hint: `${first.host}: ${first.error?.hint ?? first.error?.message}` },
  );
}

async function prepare(target: PushTarget, options: PushOptions): Promise<Host> {
  const { hypervisor, files } = target;
  const { program, flags, dryRun, sshConfig, report, signal } = options;
  const { name } = hypervisor;
  let session: PushSession | undefined;
  try {
    // What closes a session must still get there after Ctrl-C: ssh is not given our signal.
    signal.throwIfAborted();
    const { processes } = options.system;
    const remote = openRemote(hypervisor, { processes, sshConfig, signal: undefined });
    const { unpackDir } = hypervisor;
    session = await openSession(remote, { program, files, flags, unpackDir, dryRun });
    return { name, session, plan: await session.plan(), error: undefined };
  } catch (thrown) {
    const error = toVmbError(thrown);
    if (!signal.aborted) {
      report({ kind: "error", text: `${name}: ${error.message}`, hint: error.hint });
    }
    return { name, session, plan: noPlan, error };
  }
}

function askAll(
  hosts: readonly Host[],
  { ask }: PushOptions,
): ReadonlyMap<string, ReadonlyMap<string, Answer>> {
  const answers = new Map<string, ReadonlyMap<string, Answer>>();
  const asked = hosts.map(({ name, plan }) => ({
    name,
    questions: plan.changes.filter(({ question }) => question),
  })).filter(({ questions }) => questions.length > 0);
  for (const { name, questions } of asked) {
    const given = ask(name, questions);
    if (given === undefined) throw unanswered(asked);
    answers.set(name, given);
  }
  return answers;
}

function unanswered(
  asked: readonly { readonly name: string; readonly questions: DescribedPlan["changes"] }[],
): VmbError {
  const files = asked.map(({ name, questions }) =>
    `${name}: ${questions.map(({ path }) => path).join(", ")}`
  );
  return new VmbError(`Files were changed on hypervisors, or are not ours: ${files.join("; ")}`, {
    code: "push.changed-files",
    exit: exitCodes.usage,
    hint: "No hypervisor was changed. --dry-run shows the differences; --yes replaces the files, " +
      `and keeps what was there in ${places.replaced}; --keep-all leaves them`,
  });
}

async function install(
  host: Host,
  answers: ReadonlyMap<string, Answer>,
  { report }: PushOptions,
): Promise<PushOutcome> {
  const { name, session, plan } = host;
  if (session === undefined || host.error || !changesSomething(plan)) {
    return outcomeOf(host, "unchanged");
  }
  try {
    const done = await session.install(answers);
    for (const { change, path } of done.changes) {
      report({ kind: "info", text: `${name}: ${change} ${path}` });
    }
    for (const text of done.notes) report({ kind: "info", text: `${name}: ${text}` });
    return outcomeOf({ ...host, plan: done }, "changed");
  } catch (thrown) {
    const error = toVmbError(thrown);
    report({ kind: "error", text: `${name}: ${error.message}`, hint: error.hint });
    return outcomeOf({ ...host, plan: noPlan, error }, "failed");
  }
}

function outcomeOf({ name, plan, error }: Host, result: PushOutcome["result"]): PushOutcome {
  const { changes, commands, notes } = plan;
  const ended = error !== undefined
    ? "failed"
    : result === "planned" && !changesSomething(plan)
    ? "unchanged"
    : result;
  return { host: name, result: ended, changes, commands, notes, error };
}

function changesSomething({ changes, commands }: DescribedPlan): boolean {
  return changes.some(({ change }) => change !== "keep") || commands.length > 0;
}
