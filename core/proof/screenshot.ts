import { toVmbError } from "../error.ts";
import type { ProofContext } from "./context.ts";
import { countColours, decodePicture, encodePng } from "./picture.ts";
import type { ProofScreenshot } from "./proof.ts";
import { stepOk, type StepResult, stepSkipped } from "./steps.ts";

export interface Screenshot {
  /** A PNG, whatever QEMU made. */
  readonly png: Uint8Array;
  readonly facts: ProofScreenshot;
}

export const screenshotName = "screenshot.png";

/** Takes a picture of the copy's screen, and looks at it. */
export async function takeScreenshot(
  { virsh, copy, system, stagingFolder }: Pick<
    ProofContext,
    "virsh" | "copy" | "system" | "stagingFolder"
  >,
): Promise<readonly [Screenshot | undefined, StepResult]> {
  const file = `${stagingFolder}/screenshot`;
  const done = await virsh.attempt(["screenshot", copy.uuid, file]);
  if (done.code !== 0) {
    const words = done.stderr.trim().split("\n").at(-1)?.replace(/^error:\s*/, "") ?? "";
    return [undefined, stepSkipped(words || "no screen")];
  }
  try {
    const bytes = await system.files.read(file);
    const picture = decodePicture(bytes);
    const { width, height } = picture;
    const colours = countColours(picture);
    const png = bytes[0] === 0x89 ? bytes : encodePng(picture);
    const detail = `${width} x ${height}, ${
      colours === 1 ? "blank" : `${colours} different colours`
    }`;
    return [
      { png, facts: { file: screenshotName, width, height, colours } },
      colours === 1 ? { outcome: "warning", detail } : stepOk(detail),
    ];
  } catch (error) {
    return [undefined, stepSkipped(toVmbError(error).message)];
  }
}
