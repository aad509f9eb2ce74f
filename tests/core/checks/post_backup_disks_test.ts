import assert from "node:assert/strict";
import { type CheckResult, runChecks } from "../../../core/checks/check.ts";
import { postBackupChecks } from "../../../core/checks/post_backup.ts";
import { openVirsh } from "../../../core/libvirt/virsh.ts";
import { readBackup } from "../../../core/repository/backups.ts";
import type { ManifestDisk, ManifestFile } from "../../../core/repository/manifest.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn, manifestOf, publishBackup } from "../repository/stored.ts";
import { domainXml, fakeVirshProcesses, fileDisk, uuid } from "../survey/fake_domain.ts";

const vda = fileDisk("vda", "/a.qcow2");
const vdb = fileDisk("vdb", "/b.qcow2");

interface Case {
  /** Devices of the definition and of the running VM in the backup, and as they are now. */
  readonly kept: readonly [definition: string, live: string | undefined];
  readonly now: readonly [definition: string, live: string];
  /** Sources of the disks that the backup has, by target. */
  readonly disks: Readonly<Record<string, string>>;
  readonly nvram?: "absent" | "forgotten";
}

async function check(asked: Case): Promise<ReadonlyMap<string, CheckResult>> {
  await using folder = await temporaryFolder();
  const rest = asked.nvram === undefined ? "" : "<os><nvram>/v.fd</nvram></os>";
  const [definition, live] = asked.kept;
  const address = addressIn(folder.path, { vm: "web" });
  const contents: Record<string, string> = {
    "web.xml": domainXml(definition, rest),
    ...live === undefined ? {} : { "web-live.xml": domainXml(live, rest) },
  };
  const backupFolder = await publishBackup(folder.path, address, contents);
  const stored = await readBackup(realSystem.files, address);
  const roles: Readonly<Record<string, ManifestFile["role"]>> = {
    "web.xml": "domain-xml",
    "web-live.xml": "live-xml",
  };
  const manifest = manifestOf(address, {
    vm: { name: "web", uuid },
    disks: Object.entries(asked.disks).map(([target, source]) =>
      ({ target, source }) as ManifestDisk
    ),
    files:
      stored.manifest?.files.map((file) => ({ ...file, role: roles[file.name] ?? "config" })) ??
        [],
    ...asked.nvram === "absent" ? { absent: ["nvram"] } : {},
  });
  const processes = fakeVirshProcesses({
    inactive: domainXml(asked.now[0], rest),
    live: domainXml(asked.now[1], rest),
    state: "running",
  });
  const checks = postBackupChecks({
    system: realSystem,
    share: realSystem.files,
    virsh: openVirsh(processes, "qemu:///system"),
    domain: { name: "web", uuid },
    backup: { ...stored, folder: backupFolder, manifest },
    settings: { scratchDir: `${folder.path}/scratch`, stateDir: `${folder.path}/state` },
  }).filter(({ name }) => name === "vm-own-disks" || name === "domain-xml");
  const results = await runChecks(checks, () => {});
  return new Map(results.map((result) => [result.name, result]));
}

Deno.test("postBackupChecks knows a disk of the running VM alone, and never fails for what was known before", async () => {
  const table: readonly [string, Case, own: RegExp, xml: RegExp][] = [
    ["well", { kept: [vda, vda], now: [vda, vda], disks: { vda: "/a.qcow2" } }, /^ok/, /^ok/],
    [
      "hot-plugged",
      {
        kept: [vda, vda + vdb],
        now: [vda, vda + vdb],
        disks: { vda: "/a.qcow2", vdb: "/b.qcow2" },
      },
      /^ok/,
      /^ok: .*vdb as the running VM had it/,
    ],
    [
      "another source after the next start",
      {
        kept: [fileDisk("vda", "/new.qcow2"), vda],
        now: [fileDisk("vda", "/new.qcow2"), vda],
        disks: { vda: "/a.qcow2" },
      },
      /^ok/,
      /^ok: .*vda as the running VM had it/,
    ],
    [
      "on an overlay",
      {
        kept: [vda, vda],
        now: [vda, fileDisk("vda", "/scratch/vda.overlay")],
        disks: { vda: "/a.qcow2" },
      },
      /^failed: disk vda is on "\/scratch\/vda\.overlay"/,
      /^ok/,
    ],
    [
      "an overlay in the definition",
      {
        kept: [vda, vda],
        now: [fileDisk("vda", "/scratch/vda.overlay"), vda],
        disks: { vda: "/a.qcow2" },
      },
      /^failed: disk vda is on/,
      /^ok/,
    ],
    [
      "a disk that neither XML has",
      { kept: [vda, vda], now: [vda, vda], disks: { vda: "/a.qcow2", vdb: "/b.qcow2" } },
      /^ok/,
      /^failed: the domain XML has disk vdb at/,
    ],
    [
      "no variables yet",
      { kept: [vda, undefined], now: [vda, vda], disks: { vda: "/a.qcow2" }, nvram: "absent" },
      /^ok/,
      /^ok: .*no nvram yet/,
    ],
    [
      "variables forgotten",
      { kept: [vda, undefined], now: [vda, vda], disks: { vda: "/a.qcow2" }, nvram: "forgotten" },
      /^ok/,
      /^failed: the UEFI variable store is missing/,
    ],
  ];
  for (const [label, asked, own, xml] of table) {
    const results = await check(asked);
    const told = (name: string) => {
      const found = results.get(name);
      return `${found?.outcome}: ${found?.detail}`;
    };
    assert.match(told("vm-own-disks"), own, label);
    assert.match(told("domain-xml"), xml, label);
  }
});
