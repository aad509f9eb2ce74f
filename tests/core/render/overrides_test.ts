import assert from "node:assert/strict";
import { ConfigError } from "../../../core/error.ts";
import { openRepository } from "./repository.ts";

const director = "bacula/bacula-dir.conf";

Deno.test("renderAll puts an override in the place of a rendered file", async () => {
  await using plain = await openRepository();
  await using repository = await openRepository({
    "overrides/bacula/hooks/job-failed.sh": "#!/bin/sh\n",
    "overrides/README.md": "Ours",
    "overrides/.gitkeep": "",
    "overrides/bacula/bacula-sd.conf~": "of an editor",
  });
  const tree = await repository.render();
  assert.equal(tree.get("bacula/hooks/job-failed.sh")?.content, "#!/bin/sh\n");
  const before = await plain.render();
  assert.deepEqual([...tree.keys()], [...before.keys()]);
  assert.equal(tree.get(director)?.content, before.get(director)?.content);
});

Deno.test("renderAll adds the files of a .d folder to the end, in the order of their names", async () => {
  await using plain = await openRepository();
  await using repository = await openRepository({
    [`overrides/${director}.d/20-b.conf`]: "Job { two }",
    [`overrides/${director}.d/10-a.conf`]: "Job { one }\n",
    "overrides/bacula/bacula-sd.conf": "Storage { }\n",
    "overrides/bacula/bacula-sd.conf.d/x": "Device { }\n",
  });
  const tree = await repository.render();
  const before = (await plain.render()).get(director)?.content;
  assert.equal(
    tree.get(director)?.content,
    `${before}
# From overrides/${director}.d/10-a.conf
Job { one }

# From overrides/${director}.d/20-b.conf
Job { two }
`,
  );
  assert.equal(
    tree.get("bacula/bacula-sd.conf")?.content,
    "Storage { }\n\n# From overrides/bacula/bacula-sd.conf.d/x\nDevice { }\n",
  );
});

Deno.test("renderAll refuses an override of nothing, and of the file that lists the VMs", async () => {
  await using repository = await openRepository({
    [`overrides/${director}`]: "Director { }",
    "overrides/bacula/bacula-sb.conf": "",
    "overrides/something": "",
  });
  await assert.rejects(repository.render(), (error) => {
    assert.ok(error instanceof ConfigError);
    const shown = error.problems.map(({ source, message, hint }) =>
      `${source}: ${message} | ${hint}`.replaceAll(`${repository.folder}/`, "")
    );
    assert.deepEqual(shown, [
      `overrides/${director}: Cannot replace "${director}": it lists the VMs | ` +
      `Add to it in overrides/${director}.d/, or change site.yaml and vm-list.yaml`,
      'overrides/bacula/bacula-sb.conf: Unknown override "bacula/bacula-sb.conf": no such file is rendered | ' +
      'Did you mean "bacula/bacula-sd.conf"?',
      'overrides/something: Unknown override "something": no such file is rendered | ' +
      "List the files that are with: vmb ctl render",
    ]);
    return true;
  });
});
