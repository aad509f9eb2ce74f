import { counted } from "../../core/format/counted.ts";
import { describeChange } from "../../core/install/describe.ts";
import type { InstallPlan } from "../../core/install/plan.ts";
import { below } from "../../core/install/places.ts";
import { showArgv } from "../../core/sys/process.ts";

/** Shows what an installation would do. */
export function showInstallPlan(plan: InstallPlan): string {
  const lines = plan.changes.filter(({ change, declined }) => change !== "keep" || declined)
    .flatMap((change) => [
      `${change.question ? "would ask whether to" : "would"} ${describeChange(change)}`,
      ...(change.diff === "" || change.declined ? [] : [indented(change.diff)]),
    ]);
  const commands = [...plan.before, ...plan.after].map((argv) => `would run ${showArgv(argv)}`);
  return text([...lines, ...commands], plan);
}

/** Shows what an installation did; each change was told when it was made. */
export function showInstalled(plan: InstallPlan, setAside: string | undefined): string {
  const count = plan.changes.filter(({ change }) => change !== "keep").length;
  const commands = plan.before.length + plan.after.length;
  const kept = plan.changes.filter(({ declined }) => declined).map(({ path }) =>
    `kept: ${below(plan.root, path)}, as somebody changed it`
  );
  const lines = [
    ...(count > 0
      ? [counted(count, "change")]
      : commands > 0
      ? [counted(commands, "command")]
      : []),
    ...(setAside === undefined ? [] : [`what was replaced: ${below(plan.root, setAside)}`]),
  ];
  return text(lines, plan, kept);
}

function text(
  lines: readonly string[],
  { notes }: InstallPlan,
  kept: readonly string[] = [],
): string {
  const shown = lines.length === 0 ? ["no changes"] : lines;
  return [...shown, ...kept, ...notes].map((line) => `${line}\n`).join("");
}

function indented(diff: string): string {
  return diff.trimEnd().split("\n").map((line) => `  ${line}`).join("\n");
}
