import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { items, named, property, repeats } from "./document_items.ts";
import { siteDefaults } from "./site_schema.ts";
import type { YamlPath, YamlText } from "./yaml_document.ts";

/**
 * Finds what a `site.yaml` names twice: a hypervisor, and a port of one machine. Looks at raw data, so that
 * these are reported together with what the schema finds.
 */
export function siteClashes(document: YamlText, source: string): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const lineOf = (path: YamlPath) => document.place(path, "value").line;

  const hypervisors = items(document.data, ["hypervisors"]);
  for (const [again, first] of repeats(named(hypervisors, "name"))) {
    problems.push({
      source,
      ...document.place(again.path, "value"),
      message: `Duplicate hypervisor ${quoted(again.name)}: already listed on line ${
        lineOf(first.path)
      }`,
      hint: "Keep one",
    });
  }
  for (const [again, first] of repeats(listeners(document.data))) {
    problems.push({
      source,
      ...document.place(again.path, "value"),
      message: `Cannot use port ${again.name.split(" ")[0]} twice on one machine: ${
        whereOf(document, first.path)
      } has it too`,
      hint: "Give each its own port",
    });
  }
  return problems;
}

/** Where a port is said, or which key has it by default; one of a hypervisor by default is on its line. */
function whereOf(document: YamlText, path: YamlPath): string {
  const isSaid =
    path.reduce<unknown>((value, step) => property(value, String(step)), document.data) !==
      undefined;
  if (isSaid || path[0] !== "ports") return `line ${document.place(path, "value").line}`;
  return `${path.join(".")}, by default,`;
}

/** What listens where, each named by its port and machine. */
function listeners(data: unknown): readonly { readonly name: string; readonly path: YamlPath }[] {
  const control = property(data, "control");
  const ours = [
    property(control, "host"),
    ...items(control, ["addresses"]).map(({ value }) => value),
  ];
  // The names of hosts have no case.
  const plain = (address: unknown) => String(address).toLowerCase();
  const machine = (address: unknown) =>
    ours.some((each) => each !== undefined && plain(each) === plain(address))
      ? "control"
      : plain(address);
  const ports = Object.entries(siteDefaults.ports).map(([key, fallback]) => ({
    name: `${property(property(data, "ports"), key) ?? fallback} control`,
    path: ["ports", key],
  }));
  const daemons = items(data, ["hypervisors"]).flatMap(({ value, path }) => {
    const address = property(value, "address");
    if (typeof address !== "string") return [];
    const port = property(value, "fd_port") ?? siteDefaults.fdPort;
    return [{ name: `${port} ${machine(address)}`, path: [...path, "fd_port"] }];
  });
  return [...ports, ...daemons];
}
