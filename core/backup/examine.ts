import { assertPassed, type CheckResult, runChecks } from "../checks/check.ts";
import { preBackupChecks } from "../checks/pre_backup.ts";
import { chooseMethod, type MethodChoice } from "../survey/choose_method.ts";
import type { BackupContext } from "./context.ts";
import { type Survey, surveyDomain } from "../survey/survey.ts";

/** A domain that stood all checks, and how it will be captured. */
export interface Examined {
  readonly survey: Survey;
  readonly choice: Extract<MethodChoice, { kind: "chosen" }>;
  readonly checks: readonly CheckResult[];
}

/** Finds out about the domain and runs the pre-backup checks; nothing is changed yet. */
export async function examine(context: BackupContext): Promise<Examined> {
  const { system, settings, entry, request, virsh, phases, report } = context;
  phases.begin("checks", `Checking "${entry.name}"`);
  const survey = await surveyDomain(system, virsh, entry, settings);
  const choice = chooseMethod(request.method ?? entry.method, survey, entry.agent);
  const checks = await runChecks(
    preBackupChecks({ system, settings, entry, virsh, survey, choice }),
    report,
  );
  if (choice.kind === "chosen" && choice.fallback !== undefined) {
    report({ kind: "warning", text: choice.fallback });
  }
  if (choice.kind === "chosen" && choice.reason !== undefined) {
    report({ kind: "info", text: `Method ${choice.method} is used: ${choice.reason}` });
  }
  assertPassed(`Checks before the backup of "${entry.name}"`, checks);
  if (choice.kind === "none") throw new Error("a domain without a method passed its checks");
  return { survey, choice, checks };
}
