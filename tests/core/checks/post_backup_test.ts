import assert from "node:assert/strict";
import { runChecks } from "../../../core/checks/check.ts";
import { postBackupChecks } from "../../../core/checks/post_backup.ts";
import { pullJobXml } from "../../../core/libvirt/backup_job.ts";
import { readBackup } from "../../../core/repository/backups.ts";
import type { Manifest } from "../../../core/repository/manifest.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { scriptedVirsh } from "../libvirt/scripted_virsh.ts";
import { testDomain } from "../libvirt/test_driver.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn, publishBackup } from "../repository/stored.ts";

const disk = { target: "vda", source: "/img/vda" };
const on = (source: string, inner = "") =>
  `<domain><devices><disk type='file' device='disk'><source file='${source}'/>
  <target dev='vda' bus='virtio'/>${inner}</disk></devices></domain>`;
const noJob = { code: 1, stderr: "error: Operation not possible: no domain backup job present" };

interface Stand {
  readonly state?: string;
  readonly agent?: string | { readonly code: number; readonly stderr: string };
  readonly live?: string;
  readonly persistent?: string;
  readonly job?: (scratch: string) => string;
  readonly leftover?: string;
  readonly manifest?: Partial<Manifest>;
  /** What happens to the published folder. */
  readonly spoil?: (folder: string) => Promise<void>;
}

/** The outcome of each check after a backup. */
async function outcomes(stand: Stand): Promise<Readonly<Record<string, string>>> {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const scratchDir = `${folder.path}/scratch`;
  await Deno.mkdir(scratchDir);
  if (stand.leftover !== undefined) await Deno.writeTextFile(`${scratchDir}/${stand.leftover}`, "");
  const published = await publishBackup(folder.path, address, { "configs/a.txt": "text" }, {
    ...stand.manifest,
  });
  const stored = await readBackup(realSystem.files, address);
  await stand.spoil?.(published);
  const { agent = "thawed" } = stand;
  const virsh = scriptedVirsh({
    domstate: () => stand.state ?? "running (booted)",
    "qemu-agent-command": () =>
      typeof agent === "string" ? JSON.stringify({ return: agent }) : agent,
    dumpxml: (words) =>
      words.includes("--inactive")
        ? stand.persistent ?? on("/img/vda")
        : stand.live ?? on("/img/vda"),
    "backup-dumpxml": () => stand.job?.(scratchDir) ?? noJob,
  });
  const processes = {
    ...realSystem.processes,
    run: (argv: readonly [string, ...string[]]) =>
      Promise.resolve({ argv, code: 0, stdout: "qemu: Assertion failed\n", stderr: "" }),
  };
  const backup = {
    ...stored,
    manifest: stored.manifest && { ...stored.manifest, disks: [disk as Manifest["disks"][number]] },
  };
  const checks = postBackupChecks({
    system: { ...realSystem, processes },
    share: realSystem.files,
    virsh,
    domain: testDomain,
    backup,
    settings: { scratchDir, stateDir: `${folder.path}/state` },
  });
  const results = await runChecks(checks, () => {});
  return Object.fromEntries(
    results.map(({ name, outcome, detail }) => [name, `${outcome}: ${detail}`]),
  );
}

Deno.test("postBackupChecks find what is wrong with the VM and with what was written", async () => {
  const job = (socketPath: string) => pullJobXml({ socketPath, disks: [] });
  const cases: readonly (readonly [string, Stand, string, RegExp])[] = [
    ["all well", {}, "vm-thawed", /^ok/],
    ["all well", {}, "vm-own-disks", /^ok/],
    ["all well", {}, "files", /^ok/],
    ["frozen", { agent: "frozen" }, "vm-thawed", /^failed/],
    ["silent agent", { agent: { code: 1, stderr: "error: x" } }, "vm-thawed", /^(failed|warning)/],
    ["never frozen", { manifest: { frozenMs: null }, agent: "frozen" }, "vm-thawed", /^skipped/],
    ["stopped", { state: "shut off (shutdown)" }, "vm-running", /^warning: the VM is shut off/],
    [
      "crashed",
      { state: "shut off (crashed)" },
      "vm-running",
      /^failed: the VM crashed: qemu: Ass/,
    ],
    [
      "an old crash of a VM that is off",
      { state: "shut off (crashed)", manifest: { method: "offline" } },
      "vm-running",
      /^ok: shut off/,
    ],
    ["live overlay", { live: on("/scratch/o") }, "vm-own-disks", /^failed: disk vda is on/],
    ["persistent overlay", { persistent: on("/scratch/o") }, "vm-own-disks", /^failed/],
    [
      "mirror",
      { live: on("/img/vda", "<mirror job='active-commit'/>") },
      "vm-own-disks",
      /^failed/,
    ],
    [
      "our job",
      { job: (scratch) => job(`${scratch}/run/s`) },
      "vm-own-disks",
      /^failed: our backup/,
    ],
    ["a foreign job", { job: () => job("/other/s") }, "vm-own-disks", /^ok/],
    ["not read back", { manifest: { readBack: false } }, "sha256", /^warning/],
    [
      "a missing file",
      { spoil: (folder) => Deno.remove(`${folder}/configs/a.txt`) },
      "files",
      /^failed: "configs\/a\.txt" is missing/,
    ],
    [
      "another size",
      { spoil: (folder) => Deno.writeTextFile(`${folder}/configs/a.txt`, "longer text") },
      "files",
      /^failed: .* bytes/,
    ],
  ];
  for (const [name, stand, check, expected] of cases) {
    assert.match((await outcomes(stand))[check] ?? "", expected, `${name}: ${check}`);
  }
});
