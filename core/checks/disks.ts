import { counted } from "../format/counted.ts";
import { knownSecrets } from "../libvirt/secrets.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { MethodChoice } from "../survey/choose_method.ts";
import { diskProblems } from "../survey/disk_problems.ts";
import type { Survey } from "../survey/survey.ts";
import { type CheckVerdict, failed, passed, warned } from "./check.ts";

/** What a backup takes of a VM's data, what it leaves out, and what it does not hold at all. */
export function disksVerdict(
  survey: Pick<Survey, "disks" | "otherData">,
  choice: MethodChoice,
): CheckVerdict {
  const { chosen, skipped } = survey.disks;
  const problems = diskProblems(survey, choice.kind === "chosen" ? choice.method : undefined);
  const [first] = problems;
  if (first !== undefined) {
    return failed(problems.map(({ text }) => text).join("; "), first.hint);
  }
  const of = (use: string) =>
    survey.otherData.filter((each) => each.use === use)
      .map(({ kind, source }) => `${kind} "${source}"`).join(", ");
  const inside = chosen.flatMap(({ target, image: { internalSnapshots } }) =>
    internalSnapshots.length === 0 ? [] : [
      `${target} has ${counted(internalSnapshots.length, "snapshot")} inside its image (${
        internalSnapshots.join(", ")
      }), which a backup does not keep`,
    ]
  );
  const lost = of("data");
  const parts: readonly (readonly [string, string])[] = [
    ["", chosen.map((disk) => disk.target).join(", ")],
    ["left out: ", skipped.map(({ disk, reason }) => `${disk.target} (${reason})`).join(", ")],
    ["kept too: ", of("boot")],
    ["of the host: ", of("host")],
    ["NOT in the backup: ", lost],
    ["", inside.join("; ")],
  ];
  const detail = parts.filter(([, text]) => text !== "").map((part) => part.join("")).join("; ");
  if (lost === "" && inside.length === 0) return passed(detail);
  return warned(
    detail,
    lost === "" ? undefined : "What is no disk, back up by other means; a restore names it again",
  );
}

/** The running VM and its definition are two; a backup keeps both. */
export function definitionsVerdict({ differences, liveXml }: Survey): CheckVerdict {
  if (liveXml === undefined) return { outcome: "skipped", detail: "it is shut off" };
  return differences.length === 0
    ? passed("the running VM has the disks of its definition")
    : warned(
      differences.join("; "),
      "If it shall stay so, make it so in the definition: virsh attach-disk, or edit, with --config",
    );
}

/** A VM whose secrets are lost with its hypervisor never starts again: their values are in no backup. */
export async function secretsVerdict(
  virsh: Virsh,
  { secrets }: Pick<Survey, "secrets">,
): Promise<CheckVerdict> {
  if (secrets.length === 0) return { outcome: "skipped", detail: "none needed" };
  const known = await knownSecrets(virsh);
  const named = secrets.map((secret) => `${secret.name} (${secret.for})`).join(", ");
  const unknown = secrets.filter(({ name }) => known !== undefined && !known.has(name));
  if (unknown.length > 0) {
    return warned(
      `libvirt does not have the secret ${unknown.map(({ name }) => name).join(", ")}`,
      "Define it: virsh secret-define; the VM does not start without it",
    );
  }
  return passed(`needs ${named}: their values are in no backup, keep them elsewhere too`);
}
