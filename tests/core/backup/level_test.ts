import assert from "node:assert/strict";
import { parseLevel } from "../../../core/backup/level.ts";

Deno.test("parseLevel reads a person's words and Bacula's", () => {
  for (
    const [word, level] of [
      ["full", "full"],
      ["Full", "full"],
      ["Incremental", "incremental"],
      ["DIFFERENTIAL", "differential"],
      ["auto", "auto"],
      ["", undefined],
      ["fu", undefined],
      ["VirtualFull", undefined],
      [" full", undefined],
    ] as const
  ) assert.equal(parseLevel(word), level, word);
});
