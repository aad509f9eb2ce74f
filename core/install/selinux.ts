import type { Argv } from "../sys/process.ts";
import type { System } from "../sys/system.ts";
import { places } from "./places.ts";
import type { PlannedChange } from "./plan.ts";

/**
 * The File Daemon runs confined as bacula_t, and so does what it starts, unless that file has this type. Not
 * every policy knows it.
 */
const scriptType = "bacula_unconfined_script_exec_t";

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
  const lasts = await says("matchpathcon", "-n", places.program);
  const hasManager = await processes.run(["semanage", "--help"]).then(() => true, () => false);
  const rule: readonly Argv[] = lasts || !hasManager
    ? []
    : [["semanage", "fcontext", "--add", "--type", label, places.program]];
  const isLabelled = await says("stat", "--format=%C", places.program);
  const relabelled = restore.length > 0 && !lasts && !hasManager;
  return [
    ...rule,
    ...restore,
    ...(!isLabelled && restore.length === 0) || relabelled || rule.length > 0
      ? [["chcon", `--type=${label}`, places.program] as const]
      : [],
  ];
}

function restored(changes: readonly PlannedChange[]): readonly string[] {
  const outside = changes
    .filter(({ change, path }) => change !== "keep" && !path.startsWith(`${places.base}/`))
    .filter(({ change, path }) => change !== "remove" && path !== places.base)
    .map(({ path }) => path);
  return [places.base, ...outside];
}
