import assert from "node:assert/strict";
import fc from "fast-check";
import { VmbError } from "../../../core/error.ts";
import { hypervisorNameFault } from "../../../core/config/safe_name.ts";
import { checkVmName, vmNameProblem } from "../../../core/config/vm_name.ts";

/** UTF-16 units of every kind, lone surrogates among them. */
const anyText = fc.array(fc.nat(0xffff), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

Deno.test("vmNameProblem says what is wrong with a name", () => {
  const long = "x".repeat(151);
  const table: readonly (readonly [string, string])[] = [
    ["", 'Cannot use "" as a VM name: it is empty'],
    ["..", 'Cannot use ".." as a VM name: it starts with "."'],
    ["../x", 'Cannot use "../x" as a VM name: it starts with "."'],
    ["-rf", 'Cannot use "-rf" as a VM name: it starts with "-"'],
    ["a/b", 'Cannot use "a/b" as a VM name: it contains "/"'],
    ["a\\b", 'Cannot use "a\\\\b" as a VM name: it contains a backslash'],
    ["a\nb", 'Cannot use "a\\nb" as a VM name: it contains a control character'],
    ["a\u0085b", 'Cannot use "a\\u0085b" as a VM name: it contains a control character'],
    [
      "a\u202eb",
      'Cannot use "a\\u202eb" as a VM name: it contains an invisible character that changes how ' +
      "text is shown",
    ],
    [" a", 'Cannot use " a" as a VM name: it starts or ends with a space'],
    ["a ", 'Cannot use "a " as a VM name: it starts or ends with a space'],
    ["\ud800", 'Cannot use "\\ud800" as a VM name: it is not valid Unicode'],
    ["u\u0308", 'Cannot use "u\u0308" as a VM name: it is not in Unicode normal form C'],
    [long, `Cannot use "${long}" as a VM name: it has 151 bytes, at most 150 are allowed`],
    [
      "ü".repeat(76),
      `Cannot use "${"ü".repeat(76)}" as a VM name: it has 152 bytes, at most 150 are allowed`,
    ],
  ];
  for (const [name, problem] of table) assert.equal(vmNameProblem(name), problem);
});

Deno.test("vmNameProblem allows spaces inside, quotes, $, %, * and letters of any script", () => {
  for (
    const name of [
      "prod-db-01",
      "a b",
      `it's "x"`,
      "$HOME %n `id`",
      "*",
      "Büro",
      "仮想",
      "x".repeat(150),
    ]
  ) {
    assert.equal(vmNameProblem(name), undefined);
  }
});

Deno.test("hypervisorNameFault refuses the name of the catalog's folder", () => {
  assert.equal(hypervisorNameFault("metadata"), "the share uses that name for its catalog");
  assert.equal(hypervisorNameFault("hv1"), undefined);
  assert.equal(vmNameProblem("metadata"), undefined);
});

Deno.test("checkVmName throws an error of usage", () => {
  checkVmName("prod-db-01");
  assert.throws(() => checkVmName("../x"), (error) => {
    assert.ok(error instanceof VmbError);
    assert.deepEqual([error.code, error.exit], ["usage.vm-name", 2]);
    assert.equal(error.message, vmNameProblem("../x"));
    return true;
  });
});

Deno.test("vmNameProblem passes only names that sha256sum lists and checks unescaped", async () => {
  const name = fc.oneof(
    anyText,
    fc.string({
      unit: fc.constantFrom(..."aé仮 '\"$%`*#\\/.-\n\t;|&<>()[]{}~!"),
      minLength: 1,
      maxLength: 20,
    }),
  ).filter((text) => vmNameProblem(text) === undefined);
  const names = fc.sample(name, { numRuns: 300, seed: 1 });
  const folder = await Deno.makeTempDir();
  try {
    const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let listing = "";
    for (const each of names) {
      await Deno.writeTextFile(`${folder}/${each}-vda.qcow2`, "");
      listing += `${digest}  ${each}-vda.qcow2\n`;
    }
    await Deno.writeTextFile(`${folder}/.listing`, listing);
    const { success, stderr } = await new Deno.Command("sha256sum", {
      args: ["--check", "--strict", "--quiet", ".listing"],
      cwd: folder,
      env: { LC_ALL: "C" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const own = await new Deno.Command("sha256sum", {
      args: names.map((each) => `${each}-vda.qcow2`),
      cwd: folder,
      env: { LC_ALL: "C" },
    }).output();
    assert.equal(new TextDecoder().decode(own.stdout), listing);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
