import assert from "node:assert/strict";
import { loadTexts, problemsOfTexts, smallSite } from "./repository_folder.ts";

Deno.test("loadInventory reads both files of a repository", async () => {
  const list =
    "vms:\n  - { name: a, hypervisor: hv1, priority: 2 }\n  - { name: b, hypervisor: hv2 }\n";
  const { site, vms } = await loadTexts({ site: smallSite, list });
  assert.equal(site.name, "lab");
  assert.deepEqual(vms.map(({ name, priority }) => [name, priority]), [["a", 2], ["b", 100]]);
  assert.deepEqual((await loadTexts({ site: smallSite, list: "vms: []" })).vms, []);
});

Deno.test("loadInventory takes an empty list, or one that is commented out, for no list", async () => {
  for (const list of ["", "vms:\n", "# vms:\n#  - { name: a, hypervisor: hv1 }\n", "{}"]) {
    const [problem = "", ...others] = await problemsOfTexts({ site: smallSite, list });
    assert.match(
      problem,
      /^vm-list.yaml: No VM is listed: .* \| List the VMs .* or write vms: \[\]/,
    );
    assert.deepEqual(others, []);
  }
});

Deno.test("loadInventory says which file is not there", async () => {
  const hint = "Name its folder, or make one with: vmb ctl init";
  const missing = (file: string) =>
    `${file}: No such file: expected the repository of a control VM | ${hint}`;
  assert.deepEqual(await problemsOfTexts({ site: smallSite }), [missing("vm-list.yaml")]);
  assert.deepEqual(await problemsOfTexts({ list: "" }), [missing("site.yaml")]);
  assert.deepEqual(await problemsOfTexts({}), [missing("site.yaml"), missing("vm-list.yaml")]);
});

Deno.test("loadInventory names what the two files contradict each other in", async () => {
  const table: readonly (readonly [string, ...string[]])[] = [
    [
      "vms:\n  - { name: a, hypervisor: hv11 }\n  - { name: b, hypervisor: x, priority: 1 }",
      '2:28: Unknown hypervisor "hv11" of VM "a" | Did you mean "hv1"?',
      '3:28: Unknown hypervisor "x" of VM "b" | site.yaml has: hv1, hv2',
    ],
    [
      "vms:\n  - { name: a, hypervisor: hv1, priority: 7 }\n  - { name: b, hypervisor: hv2, priority: 7 }",
      '3:43: Cannot use priority 7 for VM "b": "a" has it at vm-list.yaml:2:43 | ' +
      "Give each VM a priority of its own",
    ],
    [
      "vms:\n  - { name: a, hypervisor: hv1, priority: 100 }\n  - { name: b, hypervisor: hv2 }",
      '3:5: Cannot use priority 100 for VM "b": "a" has it at vm-list.yaml:2:43 | ' +
      "Give each VM a priority of its own; one without has 100",
    ],
    [
      "vms:\n  - { name: a, hypervisor: hv1, priority: 1 }\n  - { name: a, hypervisor: hv2, priority: 2 }",
      '3:13: Duplicate VM "a": already listed on line 2 | Keep one',
    ],
  ];
  for (const [list, first = "", ...rest] of table) {
    const wanted = [first, ...rest].map((problem) => `vm-list.yaml:${problem}`);
    assert.deepEqual(await problemsOfTexts({ site: smallSite, list }), wanted, list);
  }
});

Deno.test("loadInventory reports the problems of both files together", async () => {
  const problems = await problemsOfTexts({
    site: smallSite.replace("lab", "-lab"),
    list: "vms: 1",
  });
  assert.deepEqual(problems, [
    'site.yaml:1:7: Cannot use "-lab" as name: it starts with "-"',
    "vm-list.yaml:1:6: Cannot use number 1 as vms: expected a list of VMs",
  ]);
});
