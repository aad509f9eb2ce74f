import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { items, type Named, named, repeats } from "./document_items.ts";
import type { YamlText } from "./yaml_document.ts";

/**
 * Finds names in a VM list that stand where another one forbids them: a VM or a captured file listed twice,
 * a disk both included and excluded. Looks at raw data, so that these are reported together with what
 * the schema finds; whatever has another shape is left to the schema.
 */
export function repeatedNames(document: YamlText, source: string): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];

  function report({ path }: Named, message: string, hint: string): void {
    problems.push({ source, ...document.place(path, "value"), message, hint });
  }

  const vms = items(document.data, ["vms"]);
  for (const [again, first] of repeats(named(vms, "name"))) {
    const { line } = document.place(first.path, "value");
    report(again, `Duplicate VM ${quoted(again.name)}: already listed on line ${line}`, "Keep one");
  }
  for (const vm of vms) {
    const captures = items(vm.value, ["config_capture"], vm.path);
    for (const [again, first] of repeats(named(captures, "file"))) {
      const { line } = document.place(first.path, "value");
      report(
        again,
        `Duplicate file ${quoted(again.name)}: already written by the capture on line ${line}`,
        "Give each capture a file of its own",
      );
    }
    const included = new Set(
      items(vm.value, ["disks", "include"], vm.path).map(({ value }) => value),
    );
    for (const { value, path } of items(vm.value, ["disks", "exclude"], vm.path)) {
      if (typeof value !== "string" || !included.has(value)) continue;
      report(
        { name: value, path },
        `Cannot exclude disk ${quoted(value)}: it is included too`,
        "List a disk under include or under exclude",
      );
    }
  }
  return problems;
}
