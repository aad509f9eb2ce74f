import assert from "node:assert/strict";
import { mountOf } from "../../../core/repository/mount.ts";

const mountinfo = String.raw`21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:40 / /mnt rw - tmpfs tmpfs rw
30 21 0:50 / /mnt/backup rw,relatime shared:9 master:1 - autofs systemd-1 rw,fd=51
31 30 0:51 / /mnt/backup rw,relatime - nfs4 nas:/export/a\040b rw,vers=4.2,hard
32 21 0:52 / /mnt/back\040up\134x\011y ro,relatime - nfs nas:/b rw
33 21 0:53 /sub /mnt/bind rw - xfs /dev/sdb1 ro
34 21 0:54 / /mnt/backups rw - cifs //nas/x rw
35 31 0:55 / /mnt/backup/hv1/deep rw - tmpfs none rw
36 21 0:56 / /mnt/umlaut-ü rw - nfs4 nas:/ü rw
`;

Deno.test("mountOf finds the innermost mount, the later one of two on one point", () => {
  const table: readonly [string, string, string, string, boolean][] = [
    ["/mnt/backup", "/mnt/backup", "nfs4", "nas:/export/a b", false],
    ["/mnt/backup/hv1", "/mnt/backup", "nfs4", "nas:/export/a b", false],
    ["/mnt/backup/hv1/deep/x", "/mnt/backup/hv1/deep", "tmpfs", "none", false],
    ["/mnt/backups", "/mnt/backups", "cifs", "//nas/x", false],
    ["/mnt/backup2", "/mnt", "tmpfs", "tmpfs", false],
    ["/mnt/back up\\x\ty/z", "/mnt/back up\\x\ty", "nfs", "nas:/b", true],
    ["/mnt/bind/a", "/mnt/bind", "xfs", "/dev/sdb1", true],
    ["/mnt/umlaut-ü/a", "/mnt/umlaut-ü", "nfs4", "nas:/ü", false],
    ["/srv", "/", "ext4", "/dev/sda1", false],
    ["/", "/", "ext4", "/dev/sda1", false],
  ];
  for (const [path, point, type, source, readonly] of table) {
    assert.deepEqual(mountOf(path, mountinfo), { point, type, source, readonly }, path);
  }
});

Deno.test("mountOf of a share that is not mounted is the disk below it, and of no list nothing", () => {
  const without = mountinfo.split("\n").filter((line) => !line.includes("/mnt")).join("\n");
  assert.equal(mountOf("/mnt/backup", without)?.type, "ext4");
  assert.equal(mountOf("/mnt/backup", ""), undefined);
  assert.equal(mountOf("/mnt/backup", "nonsense\n"), undefined);
});

Deno.test("mountOf reads the list of this machine", async () => {
  assert.equal(
    mountOf("/proc/self", await Deno.readTextFile("/proc/self/mountinfo"))?.type,
    "proc",
  );
});
