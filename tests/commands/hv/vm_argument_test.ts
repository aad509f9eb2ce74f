import assert from "node:assert/strict";
import { vmArgument } from "../../../commands/hv/vm_argument.ts";
import { VmbError } from "../../../core/error.ts";

Deno.test("vmArgument reads names of VMs as people type them, and as jobs of Bacula write them", () => {
  assert.equal(vmArgument("prod-db-01"), "prod-db-01");
  assert.equal(vmArgument("a b:20"), "a b:20");
  assert.equal(vmArgument("/a:20b:3a"), "a b:");
});

Deno.test("vmArgument lets no escaped name through that a typed one could not be", () => {
  for (const word of ["/:2e:2e:2fx", "/:00", "/", "/a:2", "/etc/passwd", "../x"]) {
    assert.throws(
      () => vmArgument(word),
      (error) => error instanceof VmbError && error.exit === 2,
      word,
    );
  }
});
