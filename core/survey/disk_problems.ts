import { type DiskProblem, excludeHint } from "./disk_policy.ts";
import type { Method } from "./method.ts";
import type { Survey, SurveyedDisk } from "./survey.ts";

/**
 * Why a domain's disks cannot be backed up as they are: what its policy leaves open, what is wrong with an image, and
 * what a method would read as other bytes than the guest does.
 *
 * @param method `undefined` when there is none, for another reason
 */
export function diskProblems(
  { disks }: Pick<Survey, "disks">,
  method: Exclude<Method, "auto"> | undefined,
): readonly DiskProblem[] {
  return [
    ...disks.problems,
    ...disks.chosen.flatMap((disk): readonly DiskProblem[] => {
      const problem = ofImage(disk) ??
        (method === undefined || method === "quiesce" ? undefined : ofMethod(disk, method));
      return problem === undefined
        ? []
        : [{ ...problem, text: `disk ${disk.target} ${problem.text}` }];
    }),
  ];
}

/** What keeps any method from it. */
function ofImage({ target, image, parts }: SurveyedDisk): DiskProblem | undefined {
  if (parts.unknown.length > 0) {
    return {
      text: `has ${
        parts.unknown.join(", ")
      }, which this vmb does not know: it may change the bytes`,
      hint: `Update vmb. ${excludeHint(target)}`,
    };
  }
  if (image.problem !== undefined) {
    return {
      text: `cannot be read: ${image.problem}`,
      hint: `Mend the image, or the definition that names it. ${excludeHint(target)}`,
    };
  }
  return undefined;
}

/** What keeps a method from it that reads the image by itself, past the domain's QEMU. */
function ofMethod(
  { image, parts, otherChain, type }: SurveyedDisk,
  method: "snapshot" | "offline",
): DiskProblem | undefined {
  const reason = parts.onlyLive.length > 0
    ? `is read through ${parts.onlyLive.join(", ")}, which only QEMU applies`
    : otherChain
    ? "has other images below it in the XML than in its header"
    : image.backing.at(-1)?.format === ""
    ? `lies on "${image.backing.at(-1)?.source}", whose format its header does not say`
    : image.unreadable !== undefined
    ? `cannot be looked into from here (${image.unreadable})`
    : image.kind === "network"
    ? `is of type "${type}", and no file of this machine`
    : type === "volume" && method === "snapshot"
    ? "is a volume of a pool, which no overlay can be committed back into"
    : undefined;
  return reason === undefined ? undefined : {
    text: `${reason}: method ${method} would not copy what the guest sees`,
    hint: "Method quiesce reads what the guest sees: the VM must run, and its agent answer",
  };
}
