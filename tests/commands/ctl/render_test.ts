import assert from "node:assert/strict";
import { openRepository } from "../../core/render/repository.ts";
import { openSite } from "../run.ts";

Deno.test("vmb ctl render writes the tree into the repository, and diff finds it there", async () => {
  await using site = await openSite();
  await using repository = await openRepository();
  const { folder } = repository;
  const missing = await site.run("ctl", "diff", folder);
  assert.equal(missing.code, 6);
  const rendered = await site.run("ctl", "render", folder);
  assert.deepEqual([rendered.code, rendered.err], [0, ""]);
  assert.match(rendered.out, /^ {2}written bacula\/bacula-dir\.conf$/m);
  assert.match(rendered.out, /^ {2}written quadlets\/vmb-director\.container$/m);
  assert.ok(rendered.out.endsWith(`${folder}/rendered: 37 files, 37 written, 0 removed\n`));
  const same = await site.run("ctl", "diff", `${folder}/`);
  assert.deepEqual(same, { code: 0, out: `${folder}/rendered: 37 files, as rendered\n`, err: "" });
  const again = await site.run("ctl", "render", folder, "--json");
  assert.deepEqual(JSON.parse(again.out).written, []);
});

Deno.test("vmb ctl render warns of a cycle that begins in an hour which the clocks skip or repeat", async () => {
  await using site = await openSite();
  await using repository = await openRepository();
  const { folder } = repository;
  const text = await Deno.readTextFile(`${folder}/site.yaml`);
  await repository.write("site.yaml", text.replace("Saturday 12:00", "Sunday 2:30"));
  const { code, err } = await site.run("ctl", "render", folder);
  assert.equal(code, 0, err);
  assert.match(
    err,
    /The cycle of \d{4}-\d\d-\d\d will (not begin|begin twice): the clocks [\s\S]*noon/,
  );
});

Deno.test("vmb ctl diff shows what a change of the inventory changes, and ends with 6", async () => {
  await using site = await openSite();
  await using repository = await openRepository();
  const { folder } = repository;
  await site.run("ctl", "render", folder);
  const list = await Deno.readTextFile(`${folder}/vm-list.yaml`);
  await repository.write("vm-list.yaml", list.replace("priority: 20", "priority: 25"));
  const { code, out, err } = await site.run("ctl", "diff", folder);
  assert.equal(code, 6);
  assert.match(
    out,
    /^--- bacula\/bacula-dir\.conf\n[\s\S]*\n- {2}Priority = 20\n\+ {2}Priority = 25\n/,
  );
  assert.match(err, /^vmb: 1 file differs from what is rendered\n {2}hint: /);
  const json = JSON.parse((await site.run("ctl", "diff", folder, "--json")).out);
  assert.deepEqual(
    json.differences.map(({ path, kind }: Record<string, string>) => [path, kind]),
    [["bacula/bacula-dir.conf", "changed"]],
  );
});

Deno.test("vmb ctl render ends with 4 for a wrong inventory, and writes nothing", async () => {
  await using site = await openSite();
  await using repository = await openRepository();
  const { folder } = repository;
  const list = await Deno.readTextFile(`${folder}/vm-list.yaml`);
  await repository.write("vm-list.yaml", list.replace("hv2", "hv22"));
  const { code, out, err } = await site.run("ctl", "render", folder);
  assert.deepEqual([code, out], [4, ""]);
  assert.equal(
    err,
    `vmb: ${folder}/vm-list.yaml:3:32: Unknown hypervisor "hv22" of VM "asav1"\n` +
      '  hint: Did you mean "hv2"?\n',
  );
  assert.equal(await Deno.stat(`${folder}/rendered`).catch(() => undefined), undefined);
});

Deno.test("vmb ctl render refuses a folder with other files", async () => {
  await using site = await openSite();
  await using repository = await openRepository();
  const { code, err } = await site.run(
    "ctl",
    "render",
    repository.folder,
    "--out",
    repository.folder,
  );
  assert.equal(code, 2);
  assert.match(err, /it has files that were not rendered there\n {2}hint: .*--out/);
});
