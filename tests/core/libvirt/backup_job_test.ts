import { parseXml, XmlElement } from "@rgrove/parse-xml";
import fc from "fast-check";
import assert from "node:assert/strict";
import { isBackupIn, pullJobXml } from "../../../core/libvirt/backup_job.ts";

const paths = fc.string({
  unit: fc.constantFrom("a", "/", " ", "&", "<", ">", "'", '"', "ü", "🧪", ";", "%"),
  minLength: 1,
  maxLength: 12,
}).map((text) => `/${text}`);

Deno.test("pullJobXml names every disk, whatever is in a path", () => {
  fc.assert(
    fc.property(
      paths,
      fc.array(fc.tuple(paths, fc.option(paths, { nil: undefined })), { maxLength: 4 }),
      (socketPath, pairs) => {
        const disks = pairs.map(([target, scratch]) => ({ target, scratch }));
        const root = parseXml(pullJobXml({ socketPath, disks })).root;
        assert.ok(root);
        assert.equal(root.attributes["mode"], "pull");
        const [server, list] = elements(root);
        assert.deepEqual({ ...server?.attributes }, { transport: "unix", socket: socketPath });
        assert.ok(list);
        assert.deepEqual(
          elements(list).map((disk) => ({
            ...disk.attributes,
            scratch: elements(disk)[0]?.attributes["file"],
          })),
          disks.map(({ target, scratch }) =>
            scratch === undefined
              ? { name: target, backup: "no", scratch }
              : { name: target, backup: "yes", type: "file", exportname: target, scratch }
          ),
        );
      },
    ),
  );
});

Deno.test("isBackupIn knows a job by its socket or its scratch files, and no other", () => {
  const job = pullJobXml({
    socketPath: "/scratch/run-1/backup.sock",
    disks: [{ target: "vda", scratch: "/other/vda.scratch" }],
  });
  const table: readonly [string, string, boolean][] = [
    [job, "/scratch/run-1", true],
    [job, "/scratch", true],
    [job, "/other", true],
    [job, "/scratch/run-", false],
    [job, "/scratch/run-11", false],
    [job, "/scratch/run-1/backup.sock", false],
    ["<domainbackup mode='push'/>", "/scratch", false],
    [
      "<domainbackup mode='pull'><server transport='tcp' name='h' port='1'/></domainbackup>",
      "/",
      false,
    ],
  ];
  for (const [xml, folder, expected] of table) {
    assert.equal(isBackupIn(xml, folder), expected, folder);
  }
});

function elements(parent: XmlElement): readonly XmlElement[] {
  return parent.children.filter((node) => node instanceof XmlElement);
}
