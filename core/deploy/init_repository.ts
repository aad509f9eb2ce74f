import vmList from "../../templates/config/vm-list.yaml" with { type: "text" };
import overridesReadme from "../../templates/site/overrides/README.md" with { type: "text" };
import readme from "../../templates/site/README.md" with { type: "text" };
import gitignore from "../../templates/site/gitignore" with { type: "text" };
import site from "../../templates/site/site.yaml" with { type: "text" };
import { toVmbError } from "../error.ts";
import type { Files } from "../sys/files.ts";
import { type Processes, runOk } from "../sys/process.ts";

/** What a repository begins with, by path. The first is there before anything that it shall ignore. */
export const repositoryFiles: Readonly<Record<string, string>> = {
  ".gitignore": gitignore,
  "site.yaml": site,
  "vm-list.yaml": vmList,
  "overrides/README.md": overridesReadme,
  "README.md": readme,
};

export interface InitOutcome {
  readonly files: readonly { readonly path: string; readonly made: boolean }[];
  /** Whether a git repository was made, was there, or could not be made for want of git. */
  readonly git: "made" | "present" | "absent";
}

/**
 * Makes the repository of a control VM: an example of each file, and git's own folder. What is there stays as it
 * is, so a second run adds what is missing.
 *
 * @param folder is made when it is missing
 */
export async function initRepository(
  system: { readonly files: Files; readonly processes: Pick<Processes, "run"> },
  folder: string,
): Promise<InitOutcome> {
  const { files, processes } = system;
  await files.makeFolder(`${folder}/overrides`);
  const outcome: InitOutcome["files"][number][] = [];
  for (const [path, text] of Object.entries(repositoryFiles)) {
    const made = await files.inspect(`${folder}/${path}`) === undefined;
    if (made) await files.write(`${folder}/${path}`, text, { mode: 0o644 });
    outcome.push({ path, made });
  }
  return { files: outcome, git: await initGit(processes, folder) };
}

async function initGit(
  processes: Pick<Processes, "run">,
  folder: string,
): Promise<InitOutcome["git"]> {
  try {
    const inside = await processes.run(["git", "-C", folder, "rev-parse", "--git-dir"]);
    if (inside.code === 0) return "present";
    await runOk(processes, ["git", "-c", "init.defaultBranch=main", "init", "--quiet", folder]);
    return "made";
  } catch (thrown) {
    if (toVmbError(thrown).code === "process.missing") return "absent";
    throw thrown;
  }
}
