import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Files } from "../sys/files.ts";
import { closest } from "./closest.ts";
import { readConfigText } from "./config_text.ts";
import { vmListFile } from "./configuration.ts";
import { items, property } from "./document_items.ts";
import { configError, inFileOrder } from "./problem.ts";
import { parseSite, type Site } from "./site.ts";
import { parseVmList, type VmEntry } from "./vm_list.ts";

/** Name of the file that describes the site, in the folder of a repository. */
export const siteFile = "site.yaml";

/** What the repository of a control VM says. */
export interface Inventory {
  readonly site: Site;
  /** In the order of the file; no two have one name or one priority. */
  readonly vms: readonly VmEntry[];
  readonly folder: string;
}

/**
 * Loads `site.yaml` and `vm-list.yaml` from the folder of a repository.
 *
 * Two VMs may not have one priority: the order in which Bacula starts such jobs is not said anywhere, and
 * whoever set priorities wanted an order.
 *
 * @throws {ConfigError} with all problems of both files together
 * @throws {VmbError} `config.unreadable` (exit 5)
 */
export async function loadInventory(
  files: Pick<Files, "inspectTarget" | "read">,
  folder: string,
): Promise<Inventory> {
  const sitePath = `${folder}/${siteFile}`;
  const listPath = `${folder}/${vmListFile}`;
  const [siteText, listText] = await Promise.all([
    readConfigText(files, sitePath),
    readConfigText(files, listPath),
  ]);
  const problems: ConfigProblem[] = [];
  for (const [path, text] of [[sitePath, siteText], [listPath, listText]] as const) {
    if (text.kind === "problem") problems.push(text.problem);
    if (text.kind === "absent") {
      problems.push({
        source: path,
        message: "No such file: expected the repository of a control VM",
        hint: "Name its folder, or make one with: vmb ctl init",
      });
    }
  }
  const site = siteText.kind === "text"
    ? await parseSite(siteText.text, sitePath)
    : { site: undefined, problems: [] };
  const list = listText.kind === "text"
    ? await parseVmList(listText.text, listPath)
    : { vms: [], problems: [] };
  problems.push(...site.problems, ...list.problems);
  if (site.site !== undefined && listText.kind === "text" && list.problems.length === 0) {
    problems.push(
      ...await crossCheck(site.site, list.vms, { path: listPath, text: listText.text }),
    );
  }
  if (problems.length > 0 || site.site === undefined) throw configError(problems);
  return { site: site.site, vms: list.vms, folder };
}

async function crossCheck(
  site: Site,
  vms: readonly VmEntry[],
  list: { readonly path: string; readonly text: string },
): Promise<readonly ConfigProblem[]> {
  const { parseYaml } = await import("./yaml_document.ts");
  const document = parseYaml(list.text, list.path);
  const listed = items(document.data, ["vms"]);
  const known = site.hypervisors.map(({ name }) => name);
  const problems: ConfigProblem[] = [];
  // A list that is commented out, or was emptied by accident, would leave a site without backups.
  if (vms.length === 0 && !Array.isArray(property(document.data, "vms"))) {
    problems.push({
      source: list.path,
      message: "No VM is listed: the file is empty, or all of it is commented out",
      hint: "List the VMs under vms:, or write vms: [] for a site that has none",
    });
  }

  function place(index: number, key: string) {
    return document.place(["vms", index, key], "value");
  }

  const firsts = new Map<number, number>();
  for (const [index, vm] of vms.entries()) {
    if (!known.includes(vm.hypervisor)) {
      const near = closest(vm.hypervisor, known);
      problems.push({
        source: list.path,
        ...place(index, "hypervisor"),
        message: `Unknown hypervisor ${quoted(vm.hypervisor)} of VM ${quoted(vm.name)}`,
        hint: near === undefined
          ? `${siteFile} has: ${known.join(", ")}`
          : `Did you mean ${quoted(near)}?`,
      });
    }
    const first = firsts.get(vm.priority);
    if (first === undefined) {
      firsts.set(vm.priority, index);
      continue;
    }
    const { line, column } = place(first, "priority");
    const set = property(listed[index]?.value, "priority") !== undefined;
    problems.push({
      source: list.path,
      ...place(index, "priority"),
      message: `Cannot use priority ${vm.priority} for VM ${quoted(vm.name)}: ${
        quoted(vms[first]?.name ?? "")
      } has it at ${list.path}:${line}:${column}`,
      hint: set
        ? "Give each VM a priority of its own"
        : `Give each VM a priority of its own; one without has ${vm.priority}`,
    });
  }
  return inFileOrder(problems);
}
