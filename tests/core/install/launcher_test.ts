import assert from "node:assert/strict";
import fc from "fast-check";
import launcher from "../../../templates/hv/vmb-job" with { type: "text" };
import { nameArgument, parseNameArgument } from "../../../core/config/escaped_name.ts";
import { vmNameProblem } from "../../../core/config/vm_name.ts";
import { places } from "../../../core/install/places.ts";
import { temporaryFolder } from "../nbd/servers.ts";

/** Runs the launcher with a stand-in for vmb, that prints its words and its environment. */
async function launch(path: string, words: readonly string[]) {
  const { code, stdout } = await new Deno.Command(`${path}/vmb-job`, {
    args: [...words],
    env: { VMB_CONFIG_DIR: "/tmp/evil", LD_LIBRARY_PATH: "/tmp" },
    stderr: "null",
  }).output();
  return { code, out: new TextDecoder().decode(stdout) };
}

async function openLauncher() {
  const folder = await temporaryFolder();
  const text = launcher.replace(places.program, `${folder.path}/vmb`);
  assert.notEqual(text, launcher);
  await Deno.writeTextFile(`${folder.path}/vmb-job`, text, { mode: 0o755 });
  await Deno.writeTextFile(
    `${folder.path}/vmb`,
    '#!/bin/sh\nprintf "<%s>" "$@"\nprintf "\\n"\nenv | cut -d= -f1 | sort | tr "\\n" " "\n',
    { mode: 0o755 },
  );
  return folder;
}

Deno.test("vmb-job starts vmb with these words, and without the daemon's environment", async () => {
  await using folder = await openLauncher();
  const table: readonly (readonly [readonly string[], string])[] = [
    [
      ["backup", "web", "Full", "12"],
      "<hv><backup><web><--level><Full><--job-id><12><--lock-wait><60>",
    ],
    [
      ["backup", "/a:20b", "Incremental", "1"],
      "<hv><backup></a:20b><--level><Incremental><--job-id><1><--lock-wait><60>",
    ],
    [["test-restore"], "<hv><test-restore><--random><--isolated-net>"],
    [["test-restore", "web"], "<hv><test-restore><web><--isolated-net>"],
    [["cancel", "web", "7"], "<hv><cancel><web><--job-id><7>"],
  ];
  for (const [words, expected] of table) {
    const { code, out } = await launch(folder.path, words);
    const [line = "", names = ""] = out.split("\n");
    assert.deepEqual([code, line], [0, expected]);
    assert.match(names, /^(_ )?HOME LC_ALL PATH PWD (_ )?$|^HOME LC_ALL OLDPWD PATH PWD $/);
  }
});

Deno.test("vmb-job takes the name of every VM, as jobs give it", async () => {
  await using folder = await openLauncher();
  const names = fc.string({ unit: "binary", minLength: 1, maxLength: 20 })
    .filter((name) => vmNameProblem(name) === undefined);
  await fc.assert(
    fc.asyncProperty(names, async (name) => {
      const { out } = await launch(folder.path, ["cancel", nameArgument(name), "7"]);
      const [, word = ""] = /^<hv><cancel><(.*)><--job-id><7>$/m.exec(out) ?? [];
      assert.equal(parseNameArgument(word), name);
    }),
    { numRuns: 40 },
  );
});

Deno.test("vmb-job refuses every other word", async () => {
  await using folder = await openLauncher();
  const table: readonly (readonly string[])[] = [
    [],
    ["hv", "backup", "web"],
    ["install"],
    ["backup"],
    ["backup", "web", "Full"],
    ["backup", "web", "Full", "1", "--json"],
    ["backup", "--help", "Full", "1"],
    ["backup", "", "Full", "1"],
    ["backup", "/", "Full", "1"],
    ["backup", "../x", "Full", "1"],
    ["backup", "a/b", "Full", "1"],
    ["backup", "a b", "Full", "1"],
    ["backup", "a\nb", "Full", "1"],
    ["backup", "a\n", "Full", "1"],
    ["backup", "ä", "Full", "1"],
    ["backup", "*", "Full", "1"],
    ["backup", "$(id)", "Full", "1"],
    ["backup", "x".repeat(461), "Full", "1"],
    ["backup", "web", "full", "1"],
    ["backup", "web", "Full\n--bwlimit", "1"],
    ["backup", "web", "--yes", "1"],
    ["backup", "web", "Full", "0"],
    ["backup", "web", "Full", "01"],
    ["backup", "web", "Full", "-1"],
    ["backup", "web", "Full", "1 2"],
    ["backup", "web", "Full", "1\n2"],
    ["backup", "web", "Full", "12345678901"],
    ["test-restore", "--keep"],
    ["test-restore", "web", "--keep"],
    ["cancel", "web"],
    ["cancel", "web", "--all"],
    ["BACKUP", "web", "Full", "1"],
  ];
  for (const words of table) {
    const { code, out } = await launch(folder.path, words);
    assert.deepEqual([code, out], [2, ""], JSON.stringify(words));
  }
});
