import assert from "node:assert/strict";
import fc from "fast-check";
import { clientName, vmJobName } from "../../core/bacula/names.ts";
import { type BaculaPlaces, sitePlaces } from "../../core/bacula/places.ts";
import { renderBacula } from "../../core/bacula/render_bacula.ts";
import { secretFiles, secretFileText } from "../../core/bacula/secret_files.ts";
import type { Site } from "../../core/config/site.ts";
import type { RenderedTree } from "../../core/render/tree.ts";
import { exampleTexts, inventoryTexts, parseTexts } from "../core/bacula/inventories.ts";
import {
  type BaculaRelease,
  baculaReleases,
  type BaculaTools,
  baculaTools,
  forRelease,
} from "../lab/bacula_tools.ts";

/** Rendered configurations of Bacula, before Bacula's own parsers. */
const releases = Object.keys(baculaReleases) as readonly BaculaRelease[];
const password = 'a "quoted" \\ $x %y @z';
const checkers: readonly (readonly [file: RegExp, program: string])[] = [
  [/\/bacula-dir\.conf$/, "bdirjson"],
  [/\/bacula-sd\.conf$/, "bsdjson"],
  [/\/bacula-fd\.conf$/, "bfdjson"],
  [/\/(bconsole|monitor)\.conf$/, "bbconsjson"],
];

let folder = "";

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "vmb-bacula-" });
  for (const secret of Object.values(secretFiles)) {
    await Deno.writeTextFile(`${folder}/${secret.name}`, secretFileText(secret, password));
  }
});

Deno.test.afterAll(async () => {
  await Deno.remove(folder, { recursive: true });
});

for (const release of releases) {
  Deno.test(`rendered configurations are accepted by Bacula ${release}`, async () => {
    const { site, vms } = await parseTexts(exampleTexts);
    const parsed = await check(await baculaTools(release), renderBacula(site, vms, placesIn(site)));
    const director = resources(parsed.get("bacula/bacula-dir.conf"));
    assert.equal(named(director, "Director", "vmb-dir")["Password"], password);
    assert.equal(named(director, "Director", "vmb-dir")["Description"], site.name);
    const job = named(director, "Job", "vm-prod-db-01");
    assert.deepEqual(
      [job["Type"], job["Client"], job["Priority"], job["MaxStartDelay"], job["MaxRunTime"]],
      ["Backup", "hv1-fd", 20, 40 * 3600, 40 * 3600],
    );
    assert.equal(job["AllowDuplicateJobs"], false);
    const [before, after] = job["Runscript"] as readonly Record<string, unknown>[];
    assert.equal(
      before?.["Command"],
      '/opt/vm-backup/jobs/vmb-job backup prod-db-01 "%l" "%i"',
    );
    assert.deepEqual([after?.["RunsOnClient"], after?.["RunsOnFailure"]], [false, true]);
    const daemon = resources(parsed.get("fd/hv2/bacula-fd.conf"));
    const allowed = named(daemon, "Director", "vmb-dir")["AllowedBackupDirectories"];
    assert.deepEqual(
      allowed,
      release === "9.6.7" ? undefined : ["/mnt/backup/hv2", "/mnt/backup/metadata/bacula/catalog"],
    );
  });

  Deno.test(`any inventory renders to what Bacula ${release} reads as it was meant`, async () => {
    const tools = await baculaTools(release);
    await fc.assert(
      fc.asyncProperty(inventoryTexts, async (texts) => {
        const { site, vms } = await parseTexts(texts);
        const parsed = await check(tools, renderBacula(site, vms, placesIn(site)));
        const director = resources(parsed.get("bacula/bacula-dir.conf"));
        assert.equal(named(director, "Director", "vmb-dir")["Description"], site.name);
        for (const vm of vms) {
          const job = named(director, "Job", vmJobName(vm.name));
          assert.equal(job["Description"], `${vm.name} on ${vm.hypervisor}`);
          assert.equal(job["Client"], clientName(vm.hypervisor));
          const { Include: [include] } = named(director, "Fileset", vmJobName(vm.name)) as {
            readonly Include: readonly { readonly File: readonly string[] }[];
          };
          assert.deepEqual(include?.File, [`${site.nfs.mount}/${vm.hypervisor}/${vm.name}`]);
        }
      }),
      { numRuns: 25, examples: [[longestTexts()]] },
    );
  });
}

Deno.test("Bacula's checkers do refuse what is wrong", async () => {
  const { site, vms } = await parseTexts(exampleTexts);
  for (const release of releases) {
    const tools = await baculaTools(release);
    const wrong = [...renderBacula(site, vms, placesIn(site))].map(([path, file]) =>
      [path, {
        ...file,
        content: file.content.replace("Pool Type", "Maximum Concurrent Jobs"),
      }] as const
    );
    await assert.rejects(check(tools, new Map(wrong)), /not permitted in this resource/, release);
  }
});

/** Every name and path as long as it may be: older parsers had a limit of 500 bytes. */
function longestTexts(): { readonly site: string; readonly list: string } {
  const hypervisor = "x".repeat(150);
  const vm = `'${'"'.repeat(150)}'`;
  const mount = `/${"m".repeat(200)}`;
  return {
    site: exampleTexts.site.replace("name: hv1", `name: ${hypervisor}`)
      .replace('backup" }', `backup", mount: ${mount} }`),
    list: exampleTexts.list.replaceAll("hypervisor: hv1", `hypervisor: ${hypervisor}`)
      .replace("prod-db-01", vm),
  };
}

/** Places of a site whose folders are there, because the checkers look for them. */
function placesIn(site: Site): BaculaPlaces {
  const places = sitePlaces(site);
  const here = { secrets: folder, work: folder, run: folder };
  return { ...places, ...here, hypervisor: { ...places.hypervisor, ...here } };
}

/** Lets the release's checkers read each file, and returns what they understood. */
async function check(tools: BaculaTools, tree: RenderedTree): Promise<ReadonlyMap<string, string>> {
  const parsed = new Map<string, string>();
  for (const [path, { content }] of tree) {
    const [, program] = checkers.find(([file]) => file.test(path)) ?? [];
    if (program === undefined) continue;
    const file = `${folder}/checked.conf`;
    await Deno.writeTextFile(file, forRelease(tools.release, content));
    const { code, stdout, stderr } = await tools.run(program, "-c", file);
    if (code !== 0 || /error/i.test(stderr)) {
      throw new Error(`${program} ${tools.release} refuses ${path}: ${stdout}${stderr}`);
    }
    parsed.set(path, stdout);
  }
  assert.ok(parsed.size >= 4);
  return parsed;
}

type Parsed = readonly Readonly<Record<string, Readonly<Record<string, unknown>>>>[];

function resources(json: string | undefined): Parsed {
  return JSON.parse(json ?? "[]") as Parsed;
}

function named(all: Parsed, kind: string, name: string): Readonly<Record<string, unknown>> {
  const found = all.map((each) => each[kind]).find((each) => each?.["Name"] === name);
  assert.ok(found !== undefined, `${kind} ${name}`);
  return found;
}
