import assert from "node:assert/strict";
import { keepBootFiles } from "../../../core/backup/boot_files.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("keepBootFiles keeps what a VM does not start without, each file once, and names the rest", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/kernel`, "kernel");
  await Deno.writeTextFile(`${path}/config.ign`, "{}");
  await Deno.mkdir(`${path}/folder`);
  const added = new Map<string, string>();
  const partial = {
    add(name: string, role: string, content: string | Uint8Array) {
      assert.equal(role, "boot-file");
      added.set(name, typeof content === "string" ? content : new TextDecoder().decode(content));
      return Promise.resolve();
    },
  };
  const huge = `${path}/huge`;
  await Deno.writeTextFile(huge, "");
  await Deno.truncate(huge, 2 ** 31);
  const { kept, warnings } = await keepBootFiles(realSystem.files, partial, [
    { kind: "kernel", source: `${path}/kernel`, use: "boot" },
    { kind: "initrd", source: `${path}/gone`, use: "boot" },
    { kind: "fw_cfg file", source: `${path}/config.ign`, use: "boot" },
    { kind: "ROM", source: `${path}/config.ign`, use: "boot" },
    { kind: "dtb", source: `${path}/folder`, use: "boot" },
    { kind: "ROM", source: huge, use: "boot" },
    { kind: "shared folder", source: "/srv", use: "data" },
  ]);
  assert.deepEqual([...added], [["boot/1", "kernel"], ["boot/2", "{}"]]);
  assert.deepEqual(kept.map(({ file }) => file), [
    ...["boot/1", null, "boot/2", "boot/2", null, null, null],
  ]);
  assert.equal(warnings.length, 3);
  assert.match(warnings.join("\n"), /gone" is not in the backup: it is not there/);
  assert.match(warnings.join("\n"), /folder" is not in the backup: it is no plain file/);
  assert.match(warnings.join("\n"), /huge" is not in the backup: it has 2 GiB/);
});
