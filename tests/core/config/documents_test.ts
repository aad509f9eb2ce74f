import assert from "node:assert/strict";
import { settingKeys } from "../../../core/config/settings.ts";
import { load, problemsOf } from "./config_folder.ts";

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../../${path}`, import.meta.url));
}

/** The fenced blocks of a language, in order. */
function blocks(markdown: string, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...markdown.matchAll(fence)].map((match) => match[1] ?? "");
}

Deno.test("templates/config loads as it is, with all defaults and no VM", async () => {
  const conf = await read("templates/config/vm-backup.conf");
  const list = await read("templates/config/vm-list.yaml");
  const { settings, vms } = await load({ conf, list });
  assert.deepEqual(settings, (await load({})).settings);
  assert.deepEqual(vms, []);
});

Deno.test("templates/config shows every key with its default, and examples that load", async () => {
  const conf = (await read("templates/config/vm-backup.conf")).replace(/^#(?=[A-Z_]+=)/gm, "");
  const list = (await read("templates/config/vm-list.yaml")).replace(/^#(?= {2})/gm, "");
  const { settings, origins, vms } = await load({ conf, list });
  assert.deepEqual(
    [...origins.values()].map(({ source }) => source),
    settingKeys.map(() => "file"),
  );
  assert.deepEqual(settings, (await load({})).settings);
  const [plain, appliance] = vms;
  const { vms: [defaults] } = await load({ list: "vms: [{ name: prod-db-01, hypervisor: hv1 }]" });
  assert.deepEqual(plain, defaults);
  assert.equal(appliance?.configCapture[0]?.file, "running-config.txt");
});

Deno.test("docs/02-configure.md has every key with its default, and examples that load", async () => {
  const guide = await read("docs/02-configure.md");
  const { settings } = await load({});
  for (const key of settingKeys) assert.match(guide, new RegExp(`^\\| \`${key}\` +\\|`, "m"));
  for (
    const text of [settings.backupRoot, settings.imageDir, settings.scratchDir, settings.stateDir]
  ) {
    assert.ok(guide.includes(`| \`${text}\` `), text);
  }
  const confs = blocks(guide, "conf").slice(0, -1);
  const lists = blocks(guide, "yaml").slice(0, -1);
  assert.deepEqual([confs.length, lists.length], [1, 4]);
  for (const conf of confs) await load({ conf });
  for (const list of lists) assert.ok((await load({ list })).vms.length > 0);
});

Deno.test("docs/02-configure.md shows the problems that its wrong example has", async () => {
  const guide = await read("docs/02-configure.md");
  const conf = blocks(guide, "conf").at(-1) ?? "";
  const list = blocks(guide, "yaml").at(-1) ?? "";
  const shown = (blocks(guide, "text")[0] ?? "").trimEnd().replaceAll("/opt/vm-backup/config/", "")
    .replaceAll("\n  hint: ", " | ").split("\n");
  assert.deepEqual(await problemsOf({ conf, list }), shown);
});
