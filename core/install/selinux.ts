import type { Argv } from "../sys/process.ts";
import type { System } from "../sys/system.ts";
import { places } from "./places.ts";
import type { PlannedChange } from "./plan.ts";

/**
 * The File Daemon runs confined as bacula_t, and so does what it starts, unless that file has this type. Not
 * every policy knows it.
 */
const scriptType = "bacula_unconfined_script_exec_t";

/** What a job starts, and what that starts in its turn. */
const labelled = [places.program, places.launcher];

/** The SELinux type that the program shall have; `undefined` where it needs none. */
export async function programLabel(
  { files, processes }: Pick<System, "files" | "processes">,
  root: string,
): Promise<string | undefined> {
  if (root !== "" || await files.inspect("/sys/fs/selinux/enforce") === undefined) return undefined;
  // The kernel says of a context written here whether the policy knows it (security_check_context(3)).
  const asked = await processes.run(["dd", "of=/sys/fs/selinux/context", "status=none"], {
    stdin: `system_u:object_r:${scriptType}:s0`,
  });
  return asked.code === 0 ? scriptType : undefined;
}

/** What gives the installed files their labels, and makes them last when the system is relabelled. */
export async function relabelSteps(
  { files, processes }: Pick<System, "files" | "processes">,
  root: string,
  label: string | undefined,
  changes: readonly PlannedChange[],
): Promise<readonly Argv[]> {
  if (root !== "" || await files.inspect("/sys/fs/selinux/enforce") === undefined) return [];
  const isChanged = changes.some(({ change }) => change === "create" || change === "update");
  const restore: readonly Argv[] = isChanged
    ? [["restorecon", "-R", ...restored(changes)] as const]
    : [];
  if (label === undefined) return restore;
  const says = async (...argv: Argv) => {
    const { code, stdout } = await processes.run(argv).catch(() => ({ code: 127, stdout: "" }));
    return code === 0 && stdout.includes(`:${label}:`);
  };
  const hasManager = await processes.run(["semanage", "--help"]).then(() => true, () => false);
  const rules: Argv[] = [];
  const labels: Argv[] = [];
  for (const path of labelled) {
    const lasts = await says("matchpathcon", "-n", path);
    const needsRule = !lasts && hasManager;
    if (needsRule) rules.push(["semanage", "fcontext", "--add", "--type", label, path]);
    const isLabelled = await says("stat", "--format=%C", path);
    const relabelled = restore.length > 0 && !lasts && !hasManager;
    if ((!isLabelled && restore.length === 0) || relabelled || needsRule) {
      labels.push(["chcon", `--type=${label}`, path]);
    }
  }
  return [...rules, ...restore, ...labels];
}

function restored(changes: readonly PlannedChange[]): readonly string[] {
  const outside = changes
    .filter(({ change, path }) => change !== "keep" && !path.startsWith(`${places.base}/`))
    .filter(({ change, path }) => change !== "remove" && path !== places.base)
    .map(({ path }) => path);
  return [places.base, ...outside];
}
