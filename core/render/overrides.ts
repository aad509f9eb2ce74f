import { closest } from "../config/closest.ts";
import { readConfigText } from "../config/config_text.ts";
import { configError } from "../config/problem.ts";
import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Files } from "../sys/files.ts";
import { filesBelow } from "./files_below.ts";
import { joinTrees, type RenderedFile, type RenderedTree } from "./tree.ts";

/** Folder of a repository with what its people want otherwise than vmb renders it. */
export const overridesFolder = "overrides";

/** It lists the VMs: a copy of it would keep a new VM from being backed up, and nobody would see why. */
const irreplaceable = "bacula/bacula-dir.conf";

/** Where texts that are added to a file lie: `overrides/bacula/bacula-dir.conf.d/nas.conf`. */
const addition = /^(.+)\.d\/([^/]+)$/;

/**
 * Reads the folder `overrides/` of a repository: a file there replaces the rendered file of the same path; one
 * in a folder of that path and `.d` is added to its end, in the order of their names.
 *
 * @throws {ConfigError} for an override of a file that is not rendered, which is never left out silently
 */
export async function withOverrides(
  files: Pick<Files, "inspect" | "inspectTarget" | "list" | "read">,
  repository: string,
  tree: RenderedTree,
): Promise<RenderedTree> {
  const folder = `${repository}/${overridesFolder}`;
  const changed = new Map<string, RenderedFile>();
  const additions: { readonly path: string; readonly name: string; readonly text: string }[] = [];
  const problems: ConfigProblem[] = [];
  for (const override of await filesBelow(files, folder)) {
    // What keeps the folder in git, and what an editor left, is no override.
    if (/(^|\/)(\.[^/]*|README\.md|[^/]*~)$/.test(override)) continue;
    const source = `${folder}/${override}`;
    const text = await readConfigText(files, source);
    if (text.kind === "problem") problems.push(text.problem);
    if (text.kind !== "text") continue;
    const rendered = tree.get(override);
    const [, path = "", name = ""] = addition.exec(override) ?? [];
    if (override === irreplaceable) {
      problems.push({
        source,
        message: `Cannot replace ${quoted(override)}: it lists the VMs`,
        hint: `Add to it in ${folder}/${override}.d/, or change site.yaml and vm-list.yaml`,
      });
    } else if (rendered !== undefined) {
      changed.set(override, { ...rendered, content: text.text });
    } else if (tree.has(path)) {
      additions.push({ path, name, text: text.text });
    } else {
      const near = closest(override, tree.keys());
      problems.push({
        source,
        message: `Unknown override ${quoted(override)}: no such file is rendered`,
        hint: near === undefined
          ? "List the files that are with: vmb ctl render"
          : `Did you mean ${quoted(near)}?`,
      });
    }
  }
  if (problems.length > 0) throw configError(problems);
  for (const { path, name, text } of additions) {
    const file = changed.get(path) ?? tree.get(path) ?? { content: "", mode: 0o644 };
    const content = `${ended(file.content)}\n# From ${overridesFolder}/${path}.d/${name}\n${
      ended(text)
    }`;
    changed.set(path, { ...file, content });
  }
  return joinTrees([new Map([...tree, ...changed])]);
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
