import { exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Files } from "../sys/files.ts";
import type { Desired } from "./desired.ts";
import type { DeployRecord } from "./record.ts";

/** What there is to do about the link by which commands find the repository, whatever folder they are typed in. */
export interface LinkChange {
  readonly path: string;
  readonly target: string;
  /** What it pointed at until now; `undefined` for one that is new. */
  readonly from: string | undefined;
}

/**
 * Compares the link with where the repository is.
 *
 * @returns nothing or one change
 * @throws {VmbError} `deploy.foreign` (exit 6) where something that is not vmb's is in the way
 */
export async function linkChanges(
  files: Pick<Files, "inspect" | "readLink">,
  { repositoryLink: { path, target } }: Pick<Desired, "repositoryLink">,
  record: Pick<DeployRecord, "repositories">,
): Promise<readonly LinkChange[]> {
  const there = await files.inspect(path);
  if (there === undefined) return [{ path, target, from: undefined }];
  const from = there.kind === "symlink" ? await files.readLink(path) : undefined;
  if (from === target) return [];
  if (from !== undefined && record.repositories.includes(from)) return [{ path, target, from }];
  const what = from === undefined ? `a ${there.kind}` : `a link to ${quoted(from)}`;
  throw new VmbError(
    `Cannot link "${path}" to the repository: ${what} that is not vmb's is there`,
    {
      code: "deploy.foreign",
      exit: exitCodes.problems,
      hint: "Move it away",
    },
  );
}

/**
 * Removes the link if it is vmb's.
 *
 * @returns the outcome; `undefined` when nothing is there
 */
export async function removeLink(
  files: Pick<Files, "inspect" | "readLink" | "remove">,
  path: string,
  record: Pick<DeployRecord, "repositories">,
): Promise<"removed" | "kept" | undefined> {
  const there = await files.inspect(path);
  if (there === undefined) return undefined;
  if (there.kind !== "symlink") return "kept";
  if (!record.repositories.includes(await files.readLink(path))) return "kept";
  await files.remove(path);
  return "removed";
}
