import assert from "node:assert/strict";
import { showSettings } from "../../../core/config/show_settings.ts";
import { load } from "./config_folder.ts";

Deno.test("showSettings shows values as they are written, their origins, and no secret", async () => {
  const configuration = await load({
    conf: "BANDWIDTH_LIMIT=1.5GiB/s\nSLACK_FAILURE_WEBHOOK=https://hooks.slack.com/T0P\n",
    env: { VMB_LOG_DIR: "/l" },
    flags: { COMPRESSION: { flag: "--compress", text: "zstd" } },
  });
  const file = `${configuration.folder}/vm-backup.conf`;
  assert.deepEqual(showSettings(configuration).map((row) => Object.values(row)), [
    ["HYPERVISOR_NAME", "hv1", "default"],
    ["BACKUP_ROOT", "/mnt/backup", "default"],
    ["BACKUP_FSTYPES", "nfs nfs4", "default"],
    ["BACKUP_LOCAL", "no", "default"],
    ["BACKUP_SHARE_ID", "", "default"],
    ["LIBVIRT_URI", "qemu:///system", "default"],
    ["IMAGE_DIR", "/var/lib/libvirt/images", "default"],
    ["SCRATCH_DIR", "/var/lib/vm-backup/scratch", "default"],
    ["STATE_DIR", "/var/lib/vm-backup/state", "default"],
    ["LOG_DIR", "/l", "VMB_LOG_DIR"],
    ["MIN_FREE_GB", "50", "default"],
    ["FREEZE_TIMEOUT_SECONDS", "60", "default"],
    ["SHARE_TIMEOUT_SECONDS", "30", "default"],
    ["BANDWIDTH_LIMIT", "1536M", `${file}:1`],
    ["CONCURRENT_BACKUPS", "1", "default"],
    ["COMPRESSION", "zstd", "--compress"],
    ["SLACK_FAILURE_WEBHOOK", "(hidden)", `${file}:2`],
    ["SLACK_SUCCESS_WEBHOOK", "", "default"],
  ]);
});

Deno.test("showSettings shows values that load again as the same settings", async () => {
  for (const limit of ["", "70000", "65K", "200M", "2T"]) {
    const first = await load({ conf: `BANDWIDTH_LIMIT=${limit}\nMIN_FREE_GB=7\n` });
    const rows = showSettings(first).map(({ key, value }) => `${key}="${value}"\n`);
    assert.deepEqual((await load({ conf: rows.join("") })).settings, first.settings);
  }
});
