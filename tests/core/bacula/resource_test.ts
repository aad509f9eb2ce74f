import assert from "node:assert/strict";
import { list, printResources, syntax } from "../../../core/bacula/resource.ts";

Deno.test("printResources writes resources inside resources, and quotes every text", () => {
  const text = printResources([
    {
      kind: "Job",
      lines: [
        ["Name", 'a "b"'],
        ["Type", syntax("Backup")],
        { include: "/run/secrets/x" },
        ["Priority", 7],
        { kind: "RunScript", lines: [["Runs On Client", false]] },
        ["Command ACL", list(["a", ".b c"])],
      ],
    },
    { kind: "Pool", lines: [] },
  ]);
  assert.equal(
    text,
    `# Rendered by vmb from site.yaml and vm-list.yaml. Change those, not this.

Job {
  Name = "a \\"b\\""
  Type = Backup
  @/run/secrets/x
  Priority = 7
  RunScript {
    Runs On Client = no
  }
  Command ACL = "a", ".b c"
}

Pool {
}
`,
  );
});

Deno.test("printResources refuses numbers that Bacula cannot read", () => {
  for (const value of [NaN, -1, 1.5, Infinity]) {
    assert.throws(() => printResources([{ kind: "Job", lines: [["Priority", value]] }]));
  }
});
