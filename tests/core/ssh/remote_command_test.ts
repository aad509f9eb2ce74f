import assert from "node:assert/strict";
import fc from "fast-check";
import { remoteCommand } from "../../../core/ssh/remote_command.ts";

Deno.test("remoteCommand gives every word to the program as it is, through any POSIX shell", async () => {
  const words = fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: specials })), {
    minLength: 1,
    maxLength: 8,
  }).map((all) => all.map((word) => word.replaceAll("\0", "").toWellFormed()));
  await fc.assert(
    fc.asyncProperty(words, async (argv) => {
      const command = remoteCommand(["printf", "%s\\0", ...argv]);
      const { stdout } = await new Deno.Command("sh", { args: ["-c", command] }).output();
      assert.equal(new TextDecoder().decode(stdout), argv.map((word) => `${word}\0`).join(""));
    }),
    { numRuns: 30 },
  );
});

Deno.test("remoteCommand gives every word to the program as it is, through csh too", async () => {
  const shell = ["tcsh", "csh", "fish"].find((name) => {
    try {
      return new Deno.Command(name, { args: ["-c", "true"] }).outputSync().code === 0;
    } catch {
      return false;
    }
  });
  const words = ["a\nb", "it's !x", "$HOME `id` \\ \\n %s %%", "ü€\u{1F600}", "", "~", "*", "\n"];
  for (const argv of [words, words.slice(2, 3), ["!!"], ["\n\n!"]]) {
    const command = remoteCommand(["printf", "%s\\0", ...argv]);
    // csh reads none of these in quotes.
    assert.doesNotMatch(command, /[\n!]/);
    for (const each of ["sh", "bash", ...shell === undefined ? [] : [shell]]) {
      const { stdout } = await new Deno.Command(each, { args: ["-c", command] }).output();
      assert.equal(
        new TextDecoder().decode(stdout),
        argv.map((word) => `${word}\0`).join(""),
        each,
      );
    }
  }
});

const specials = fc.constantFrom(..."'\"\\$`!*?[]{}~;&|<>()# \t\n=-%");

Deno.test("remoteCommand refuses a NUL character", () => {
  assert.throws(() => remoteCommand(["echo", "a\0b"]), { code: "ssh.word" });
});
