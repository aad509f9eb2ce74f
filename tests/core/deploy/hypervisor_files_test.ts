import assert from "node:assert/strict";
import fc from "fast-check";
import { parseKeyValue } from "../../../core/config/key_value.ts";
import { hypervisorFiles } from "../../../core/deploy/hypervisor_files.ts";

const hypervisor = {
  name: "hv1",
  address: "192.0.2.1",
  fdPort: 9102,
  ssh: { user: "root", port: 22 },
  unpackDir: undefined,
};

function filesWith(settings: readonly (readonly ["IMAGE_DIR", string])[]) {
  return hypervisorFiles({
    site: {
      nfs: { export: "nas:/x", mount: "/mnt/back up", options: [] },
      hypervisors: [hypervisor],
      concurrency: 2,
    },
    vmList: "vms: []\n",
    settings: new Map(settings),
    renderFd: (_, { name }) => `# of ${name}\n`,
    fdPassword: 'Password = "x"\n',
  }, hypervisor);
}

Deno.test("hypervisorFiles makes a vm-backup.conf that says what the site says", () => {
  fc.assert(
    fc.property(values, (value) => {
      const files = filesWith([["IMAGE_DIR", value]]);
      const { assignments, problems } = parseKeyValue(files.get("vm-backup.conf") ?? "", "conf");
      assert.deepEqual(problems, []);
      assert.deepEqual(assignments.map(({ key, value }) => [key, value]), [
        ["HYPERVISOR_NAME", "hv1"],
        ["BACKUP_ROOT", "/mnt/back up"],
        ["CONCURRENT_BACKUPS", "2"],
        ["IMAGE_DIR", value],
      ]);
    }),
  );
});

Deno.test("hypervisorFiles has the password before the configuration that includes it", () => {
  const names = [...filesWith([]).keys()];
  assert.deepEqual(names, ["vm-backup.conf", "vm-list.yaml", "vmb-fd-password", "bacula-fd.conf"]);
});

/** All that a line of a `vm-backup.conf` can hold: quoted, or as it is. */
const values = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."ab'\"# \\$`=") }),
  fc.string(),
).map((text) => {
  const { assignments } = parseKeyValue(`KEY=${text}`, "conf");
  return assignments[0]?.value ?? "";
});
