import assert from "node:assert/strict";
import fc from "fast-check";
import { vmJobName } from "../../../core/bacula/names.ts";
import { renderBacula } from "../../../core/bacula/render_bacula.ts";
import { secretFiles } from "../../../core/bacula/secret_files.ts";
import { exampleTexts, inventoryTexts, parseTexts } from "./inventories.ts";

const golden = new URL("golden", import.meta.url).pathname;
/** Set it to write the files anew, then look at what git says of them. */
const update = Deno.env.has("VMB_UPDATE_GOLDEN");

Deno.test("renderBacula gives the tree that was reviewed", async () => {
  const { site, vms } = await parseTexts(exampleTexts);
  const tree = renderBacula(site, vms);
  if (update) await Deno.remove(golden, { recursive: true }).catch(() => {});
  for (const [path, { content, mode }] of tree) {
    assert.equal(mode, 0o644, path);
    if (update) {
      await Deno.mkdir(`${golden}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${golden}/${path}`, content);
    }
    assert.equal(content, await Deno.readTextFile(`${golden}/${path}`), path);
  }
  assert.deepEqual(await filesOf(golden), [...tree.keys()]);
});

Deno.test("renderBacula gives the same bytes whatever the order of the VMs", async () => {
  const { site, vms } = await parseTexts(exampleTexts);
  assert.deepEqual(renderBacula(site, vms.toReversed()), renderBacula(site, vms));
});

Deno.test("renderBacula has a job for each VM, started on its hypervisor, and no secret", async () => {
  await fc.assert(
    fc.asyncProperty(inventoryTexts, async (texts) => {
      const { site, vms } = await parseTexts(texts);
      const tree = renderBacula(site, vms);
      const director = tree.get("bacula/bacula-dir.conf")?.content ?? "";
      const jobs = director.split("\n\n").filter((resource) => resource.startsWith("Job {"));
      for (const vm of vms) {
        const job = jobs.find((text) => text.includes(`\n  Name = "${vmJobName(vm.name)}"\n`));
        assert.match(job ?? "", /\n {4}Runs On Client = yes\n/, vm.name);
        const priority = site.concurrency === 1 ? vm.priority : 10;
        assert.ok(job?.includes(`\n  Priority = ${priority}\n`));
        assert.equal(job?.includes("\n  Schedule = "), vm.schedule !== "manual");
      }
      assert.equal(jobs.length, vms.length + site.hypervisors.length + 2);
      for (const [path, { content }] of tree) {
        assert.doesNotMatch(content, /^\s*(DB )?Password\s*=/m, path);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("renderBacula includes every secret of Bacula, and no other file", async () => {
  const { site, vms } = await parseTexts(exampleTexts);
  const included = [...renderBacula(site, vms)].flatMap(([, { content }]) =>
    [...content.matchAll(/^\s*@(.*)$/gm)].map(([, path = ""]) => path)
  );
  const wanted = Object.values(secretFiles).map(({ name }) => `/run/secrets/${name}`);
  assert.deepEqual(
    [...new Set(included)].toSorted(),
    ["/etc/bacula/vmb-fd-password", ...wanted].toSorted(),
  );
});

async function filesOf(folder: string, base = ""): Promise<readonly string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) paths.push(...await filesOf(`${folder}/${name}`, `${base}${name}/`));
    else paths.push(`${base}${name}`);
  }
  return paths.sort();
}
