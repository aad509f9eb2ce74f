import { exitCodes, VmbError } from "../../core/error.ts";
import { quoted } from "../../core/format/quoted.ts";
import type { System } from "../../core/sys/system.ts";

/**
 * Finds the repository that a command works on, as an absolute path.
 *
 * @throws {VmbError} `usage.repository` (exit 2) when there is no such folder
 */
export async function repositoryFolder(
  { files }: Pick<System, "files">,
  named: string,
): Promise<string> {
  const info = await files.inspectTarget(named);
  if (info?.kind === "directory") return await files.realPath(named);
  throw new VmbError(
    `Cannot use ${quoted(named)} as repository: ${
      info === undefined ? "no such folder" : "expected a folder"
    }`,
    { code: "usage.repository", exit: exitCodes.usage, hint: "Make one with: vmb ctl init" },
  );
}
