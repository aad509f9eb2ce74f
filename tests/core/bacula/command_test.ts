import assert from "node:assert/strict";
import fc from "fast-check";
import { baculaCommand } from "../../../core/bacula/command.ts";
import { nameArgument } from "../../../core/config/escaped_name.ts";
import { safeNames } from "./inventories.ts";

/** Replaces codes and splits into words, as lib/jcr.c and lib/bpipe.c do. */
function words(command: string, codes: Readonly<Record<string, string>>): readonly string[] {
  const edited = command.replace(
    /%(.)/g,
    (_, code) => code === "%" ? "%" : codes[code] ?? `%${code}`,
  );
  return [...edited.matchAll(/"([^"]*)"|'([^']*)'|([^ ]+)/g)].map((match) =>
    match[1] ?? match[2] ?? match[3] ?? ""
  );
}

Deno.test("baculaCommand keeps words apart, and a code in one word", () => {
  const command = baculaCommand(["/bin/x", "a b", "", "100%", "%l", { code: "e" }]);
  assert.equal(command, '/bin/x "a b" "" 100%% %%l "%e"');
  assert.deepEqual(words(command, { e: "Fatal Error", l: "Full" }), [
    ...["/bin/x", "a b", "", "100%", "%l", "Fatal Error"],
  ]);
});

Deno.test("baculaCommand says every name of a VM, in characters that a File Daemon lets pass", () => {
  fc.assert(fc.property(safeNames, (name) => {
    const command = baculaCommand(["vmb", nameArgument(name), { code: "l" }]);
    assert.deepEqual(words(command, { l: "Full" }), ["vmb", nameArgument(name), "Full"]);
    assert.doesNotMatch(command, /[$!;\\&|<>`()]/);
  }));
});

Deno.test("baculaCommand refuses what no quoting can carry", () => {
  for (const word of ["$HOME", "a;b", 'a"b', "a'b", "`x`", "a\nb", "\\", "(x)", "a|b", "a&b"]) {
    assert.throws(() => baculaCommand(["x", word]), /Cannot say/, word);
  }
});
