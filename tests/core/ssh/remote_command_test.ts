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

const specials = fc.constantFrom(..."'\"\\$`!*?[]{}~;&|<>()# \t\n=-%");

Deno.test("remoteCommand refuses a NUL character", () => {
  assert.throws(() => remoteCommand(["echo", "a\0b"]), { code: "ssh.word" });
});
