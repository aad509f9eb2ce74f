import assert from "node:assert/strict";
import { textDiff } from "../../../core/format/text_diff.ts";

Deno.test("textDiff shows changed lines with their neighbours", () => {
  const diff = textDiff("/etc/file", "a\nb\nc\nd\ne\nf\n", "a\nb\nc\nD\ne\nf\n");
  assert.equal(
    diff,
    "--- /etc/file\n+++ /etc/file\n@@ -2,5 +2,5 @@\n b\n c\n-d\n+D\n e\n f\n",
  );
});

Deno.test("textDiff names a file that is made or removed", () => {
  assert.match(textDiff("/etc/file", undefined, "a\n"), /^--- \/dev\/null\n\+\+\+ \/etc\/file\n/);
  assert.match(textDiff("/etc/file", "a\n", undefined), /^--- \/etc\/file\n\+\+\+ \/dev\/null\n/);
});

Deno.test("textDiff shows that a secret changed, and never the secret", () => {
  const diff = textDiff(
    "conf",
    'SLACK_FAILURE_WEBHOOK=https://one\n  Password = "two"\nFD_PASSWORD=three\nname=four\n',
    'SLACK_FAILURE_WEBHOOK=https://five\n  Password = "two"\nFD_PASSWORD=three\nname=four\n',
  );
  for (const secret of ["one", "two", "three", "five"]) assert.ok(!diff.includes(secret), secret);
  assert.match(diff, /^-SLACK_FAILURE_WEBHOOK=<secret 1>$/m);
  assert.match(diff, /^\+SLACK_FAILURE_WEBHOOK=<secret 4>$/m);
  assert.match(diff, /^ {3}Password = <secret 2>$/m);
  const line = textDiff("conf", undefined, 'Director { Password = "a \\" b"; Name = c }\n');
  assert.match(line, /^\+Director \{ Password = <secret 1>; Name = c \}$/m);
});
