import assert from "node:assert/strict";
import { mountOf, standingOf } from "../../../core/repository/mount.ts";

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
  const table: readonly [string, string, string, string, boolean, string][] = [
    ["/mnt/backup", "/mnt/backup", "nfs4", "nas:/export/a b", false, "0:51"],
    ["/mnt/backup/hv1", "/mnt/backup", "nfs4", "nas:/export/a b", false, "0:51"],
    ["/mnt/backup/hv1/deep/x", "/mnt/backup/hv1/deep", "tmpfs", "none", false, "0:55"],
    ["/mnt/backups", "/mnt/backups", "cifs", "//nas/x", false, "0:54"],
    ["/mnt/backup2", "/mnt", "tmpfs", "tmpfs", false, "0:40"],
    ["/mnt/back up\\x\ty/z", "/mnt/back up\\x\ty", "nfs", "nas:/b", true, "0:52"],
    ["/mnt/bind/a", "/mnt/bind", "xfs", "/dev/sdb1", true, "0:53"],
    ["/mnt/umlaut-ü/a", "/mnt/umlaut-ü", "nfs4", "nas:/ü", false, "0:56"],
    ["/srv", "/", "ext4", "/dev/sda1", false, "8:1"],
    ["/", "/", "ext4", "/dev/sda1", false, "8:1"],
  ];
  for (const [path, point, type, source, readonly, device] of table) {
    const mount = { point, type, source, readonly, device };
    assert.deepEqual(mountOf(path, mountinfo), mount, path);
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

/** A hypervisor with disks for `/` and `/var`, and the lines that a case adds. */
function machine(...lines: readonly string[]): string {
  return [
    "1 1 0:2 / / rw - rootfs rootfs rw",
    "21 1 8:1 / / rw,relatime shared:1 - xfs /dev/sda1 rw",
    "22 21 8:2 / /var rw,relatime shared:2 - xfs /dev/sda2 rw",
    ...lines,
    "",
  ].join("\n");
}

Deno.test("standingOf tells a mount of its own from a folder and from the root disk", () => {
  const nfs = "nfs4 nas:/export rw";
  const table: readonly (readonly [string, string, string, string])[] = [
    ["mounted", "a share", "/mnt/backup", machine(`30 21 0:51 / /mnt/backup rw - ${nfs}`)],
    [
      "mounted",
      "a disk of its own",
      "/srv/b",
      machine("30 21 8:17 / /srv/b rw - xfs /dev/sdb1 rw"),
    ],
    [
      "mounted",
      "an automount that has mounted",
      "/mnt/backup",
      machine(
        "30 21 0:50 / /mnt/backup rw - autofs systemd-1 rw",
        `31 30 0:51 / /mnt/backup rw - ${nfs}`,
      ),
    ],
    [
      "mounted",
      "a bind mount of a folder of the share",
      "/mnt/backup",
      machine(
        `30 21 0:51 / /net/nas rw - ${nfs}`,
        `31 21 0:51 /vmb /mnt/backup rw - ${nfs}`,
      ),
    ],
    [
      "mounted",
      "a share over a share",
      "/mnt/backup",
      machine(`30 21 0:51 / /mnt/backup rw - ${nfs}`, `31 30 0:52 / /mnt/backup rw - ${nfs}`),
    ],
    ["root", "not mounted", "/mnt/backup", machine()],
    ["root", "below nothing at all", "/mnt/backup/hv1", machine()],
    [
      "root",
      "a bind mount of a folder of the root disk",
      "/mnt/backup",
      machine("30 21 8:1 /data /mnt/backup rw - xfs /dev/sda1 rw"),
    ],
    [
      "root",
      "such a one below another mount",
      "/var/backup",
      machine("30 22 8:1 /data /var/backup rw - xfs /dev/sda1 rw"),
    ],
    [
      "root",
      "a subvolume of the root file system",
      "/mnt/backup",
      "21 1 0:33 /@ / rw - btrfs /dev/sda1 rw\n30 21 0:33 /@b /mnt/backup rw - btrfs /dev/sda1 rw\n",
    ],
    ["root", "a root on a file server", "/mnt/backup", `21 1 0:20 / / rw - ${nfs}\n`],
    ["root", "an overlay root", "/mnt/b", "21 1 0:40 / / rw - overlay overlay rw,lowerdir=/x\n"],
    ["root", "no list", "/mnt/backup", ""],
    [
      "root",
      "a later mount that hides the share, and is of the root disk",
      "/mnt/backup",
      machine(
        `30 21 0:51 / /mnt/backup rw - ${nfs}`,
        "31 21 8:1 /old /mnt rw - xfs /dev/sda1 rw",
      ),
    ],
    ["folder", "a folder of another disk", "/var/backup", machine()],
    [
      "folder",
      "a folder below the mount point",
      "/mnt/nas/vmb",
      machine(`30 21 0:51 / /mnt/nas rw - ${nfs}`),
    ],
    [
      "folder",
      "a bind mount of the disk that it lies on",
      "/var/backup",
      machine("30 22 8:2 /data /var/backup rw - xfs /dev/sda2 rw"),
    ],
    [
      "folder",
      "a later mount that hides the share",
      "/mnt/backup",
      machine(`30 21 0:51 / /mnt/backup rw - ${nfs}`, "31 21 0:60 / /mnt rw - tmpfs tmpfs rw"),
    ],
  ];
  for (const [standing, what, path, mountinfo] of table) {
    assert.equal(standingOf(path, mountinfo), standing, what);
  }
});

Deno.test("mountOf knows that a later mount hides what was mounted below it", () => {
  const hidden = machine(
    "30 21 0:51 / /mnt/backup rw - nfs4 nas:/export rw",
    "31 21 0:60 / /mnt rw - tmpfs tmpfs rw",
  );
  assert.equal(mountOf("/mnt/backup", hidden)?.type, "tmpfs");
  const again = `${hidden}32 31 0:52 / /mnt/backup rw - nfs nas:/other rw\n`;
  assert.equal(mountOf("/mnt/backup", again)?.source, "nas:/other");
});
