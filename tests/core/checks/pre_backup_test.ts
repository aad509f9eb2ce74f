import assert from "node:assert/strict";
import { type CheckResult, runChecks } from "../../../core/checks/check.ts";
import { preBackupChecks } from "../../../core/checks/pre_backup.ts";
import { vmEntry } from "../../../core/config/configuration.ts";
import { openVirsh } from "../../../core/libvirt/virsh.ts";
import { chooseMethod } from "../../../core/survey/choose_method.ts";
import type { Method } from "../../../core/survey/method.ts";
import { surveyDomain } from "../../../core/survey/survey.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { load } from "../config/config_folder.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";
import { domainXml, type FakeDomain, fakeVirshProcesses, fileDisk } from "../survey/fake_domain.ts";

/** What is asked: a domain, and what else differs from a VM that is well. */
interface Case extends Omit<FakeDomain, "inactive"> {
  readonly devices: string;
  readonly rest?: string;
  /** Lines of its entry in vm-list.yaml, indented. */
  readonly policy?: string;
  readonly method?: Method;
}

/** Runs the checks that ask only the domain and its images. */
async function check(
  { devices, rest, policy = "", method = "auto", ...domain }: Case,
): Promise<ReadonlyMap<string, CheckResult>> {
  const { settings, ...configuration } = await load({
    conf: "HYPERVISOR_NAME=hv1\nSCRATCH_DIR=/scratch\n",
    list: `vms:\n  - name: web\n    hypervisor: hv1\n${policy}`,
  });
  const entry = vmEntry({ settings, ...configuration }, "web");
  const processes = fakeVirshProcesses({ inactive: domainXml(devices, rest), ...domain });
  const system = { ...realSystem, processes };
  const virsh = openVirsh(processes, "qemu:///system");
  const survey = await surveyDomain(system, virsh, entry, settings);
  const choice = chooseMethod(method, survey, entry.agent);
  const ofTheShare = /^share-|^scratch-folder|^local-space/;
  const checks = preBackupChecks({ system, settings, entry, virsh, survey, choice })
    .filter(({ name }) => !ofTheShare.test(name));
  const results = await runChecks(checks, () => {});
  return new Map(results.map((result) => [result.name, result]));
}

type Expected = readonly [outcome: CheckResult["outcome"], detail: RegExp, hint?: RegExp];

Deno.test("preBackupChecks judges a domain by what it is and by what its images say", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await qemu("qemu-img", "create", "-f", "qcow2", at("a.qcow2"), "8M");
  await qemu("qemu-img", "create", "-f", "raw", at("b.raw"), "8M");
  const inner = ["-u", "-F", "raw", "-b", "/srv/inner/base.raw", at("inner.qcow2"), "4M"];
  await qemu("qemu-img", "create", "-f", "qcow2", ...inner);
  await Deno.copyFile(at("inner.qcow2"), at("nested.raw"));
  await qemu("qemu-img", "create", "-f", "qcow2", at("kept.qcow2"), "8M");
  await qemu("qemu-img", "snapshot", "-c", "before-upgrade", at("kept.qcow2"));
  await qemu("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", at("b.raw"), at("top.qcow2"));
  await Deno.writeTextFile(at("garbage.qcow2"), "garbage");
  const vda = fileDisk("vda", at("a.qcow2"));
  const stated = (chain: string) => fileDisk("vda", at("top.qcow2"), "qcow2", chain);
  const slice = fileDisk("vdb", at("b.raw"), "raw").replace(
    "/><target",
    "><slices><slice type='storage' offset='512' size='1024'/></slices></source><target",
  );
  const strange = fileDisk("vdb", at("b.raw"), "raw").replace("<driver ", "<driver shuffle='on' ");

  const volume =
    "<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='p' volume='v'/><target dev='vdd'/></disk>";
  const network =
    "<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd' name='e'><host name='h'/></source><target dev='vde'/></disk>";
  const secret = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
  const sealedTpm =
    `<tpm model='tpm-crb'><backend type='emulator'><encryption secret='${secret}'/></backend></tpm>`;

  const table: readonly [label: string, Case, Readonly<Record<string, Expected>>][] = [
    ["well", { devices: vda + fileDisk("vdb", at("b.raw"), "raw") }, {
      "vm-state": ["ok", /^shut off, method offline$/],
      "guest-agent": ["skipped", /shut off/],
      "disks": ["ok", /^vda, vdb$/],
      "no-snapshots": ["ok", /no snapshots/],
      "no-overlays": ["ok", /single image/],
      "no-block-jobs": ["ok", /no block jobs/],
      "nvram": ["skipped", /no UEFI/],
    }],
    ["running", { devices: vda, state: "running" }, {
      "vm-state": ["ok", /^running, method quiesce$/],
      "guest-agent": ["ok", /^answers$/],
      "no-block-jobs": ["ok", /no block jobs/],
    }],
    ["missing", { devices: vda + fileDisk("vdb", at("gone.qcow2")) }, {
      "disks": [
        "failed",
        /^disk vdb cannot be read: there is no ".*gone\.qcow2"$/,
        /exclude: \[vdb\]/,
      ],
      "no-snapshots": ["ok", /./],
      "no-overlays": ["ok", /./],
    }],
    ["damaged", { devices: vda + fileDisk("vdc", at("garbage.qcow2")), state: "running" }, {
      "disks": ["failed", /^disk vdc cannot be read: ".*garbage\.qcow2" cannot be read as qcow2/],
    }],
    ["a header that the guest wrote", { devices: vda + fileDisk("vdb", at("nested.raw"), "raw") }, {
      "disks": ["ok", /^vda, vdb$/],
      "no-overlays": ["ok", /single image/],
    }],
    ["a snapshot inside", { devices: fileDisk("vda", at("kept.qcow2")), state: "running" }, {
      "disks": ["warning", /vda has 1 snapshot inside its image \(before-upgrade\)/],
    }],
    ["read-only", { devices: vda + fileDisk("vdb", at("b.raw"), "raw", "<readonly/>") }, {
      "disks": ["ok", /^vda, vdb$/],
    }],
    ["a slice, shut off", { devices: vda + slice }, {
      "disks": ["failed", /^disk vdb is read through <source> <slices>.*method offline/, /quiesce/],
    }],
    ["a slice, snapshot", { devices: vda + slice, state: "running", method: "snapshot" }, {
      "disks": ["failed", /^disk vdb is read through <source> <slices>.*method snapshot/],
    }],
    ["a slice, quiesce", { devices: vda + slice, state: "running" }, {
      "disks": ["ok", /^vda, vdb$/],
    }],
    ["a stranger, quiesce", { devices: vda + strange, state: "running" }, {
      "disks": ["failed", /^disk vdb has <driver shuffle=\.\.\.>/, /Update vmb/],
    }],
    ["another chain than the header's", { devices: stated("<backingStore/>") }, {
      "disks": ["failed", /^disk vda has other images below it in the XML/],
      "no-overlays": ["failed", /^disks lie on overlays: vda \(".*top\.qcow2" over ".*b\.raw"\)$/],
    }],
    [
      "the header's chain, allowed",
      {
        devices: stated(
          `<backingStore type='file'><format type='raw'/><source file='${folder.path}/./b.raw'/><backingStore/></backingStore>`,
        ),
        policy: "    allow_backing_chain: true\n",
      },
      { "disks": ["ok", /^vda$/], "no-overlays": ["ok", /backing chains are allowed/] },
    ],
    [
      "data that is no disk",
      {
        devices: vda + "<filesystem type='mount'><source dir='/srv/x'/></filesystem>" +
          "<hostdev mode='subsystem' type='pci'><source/></hostdev>",
        rest: "<sysinfo type='fwcfg'><entry name='a' file='/a.ign'/></sysinfo>",
      },
      {
        "disks": [
          "warning",
          /^vda; kept too: fw_cfg file "\/a\.ign"; of the host: host device \(pci\).*; NOT in the backup: shared folder "\/srv\/x"$/,
        ],
      },
    ],
    [
      "a disk of the running VM alone",
      {
        devices: vda,
        live: domainXml(vda + fileDisk("vdb", at("b.raw"), "raw")),
        state: "running",
      },
      {
        "disks": ["ok", /^vda, vdb$/],
        "definitions": ["warning", /^disk vdb .*is attached to the running VM alone/, /--config/],
      },
    ],
    ["one definition", { devices: vda, state: "running" }, { "definitions": ["ok", /./] }],
    ["variables not made yet", { devices: vda, rest: "<os><nvram>/nowhere/v.fd</nvram></os>" }, {
      "nvram": ["skipped", /"\/nowhere\/v\.fd" is not there yet/],
    }],
    [
      "variables lost under a running VM",
      { devices: vda, rest: "<os><nvram>/nowhere/v.fd</nvram></os>", state: "running" },
      { "nvram": ["warning", /is missing, though the VM runs/] },
    ],
    [
      "variables in the network",
      { devices: vda, rest: "<os><nvram type='network'><source/></nvram></os>" },
      { "nvram": ["failed", /of type "network"/] },
    ],
    ["a secret that is there", { devices: vda + sealedTpm, secrets: [secret] }, {
      "secrets": ["ok", /^needs 0a81.* \(TPM\): their values are in no backup/],
    }],
    ["a secret that is not", { devices: vda + sealedTpm }, {
      "secrets": ["warning", /does not have the secret 0a81/, /secret-define/],
    }],
    ["a volume", { devices: volume, volumes: { "p/v": at("a.qcow2") } }, {
      "disks": ["ok", /^vdd$/],
    }],
    ["a volume, snapshot", {
      ...{ devices: volume, volumes: { "p/v": at("a.qcow2") } },
      ...{ state: "running", method: "snapshot" },
    }, { "disks": ["failed", /^disk vdd is a volume of a pool/, /quiesce/] }],
    ["a volume that is not there", { devices: volume, state: "running" }, {
      "disks": ["failed", /volume "v" of pool "p" is not to be had: Storage volume not found$/],
    }],
    ["a network disk, quiesce", { devices: vda + network, state: "running" }, {
      "disks": ["ok", /^vda, vde$/],
    }],
    ["a network disk, shut off", { devices: vda + network }, {
      "disks": ["failed", /^disk vde is of type "network".*method offline/, /must run/],
    }],
    ["a volume of an rbd pool, shut off", { devices: volume, volumes: { "p/v": "rbd/v" } }, {
      "disks": ["failed", /^disk vdd is of type "volume", and no file of this machine/],
    }],
    ["silent agent", { devices: vda, state: "running", agent: "silent" }, {
      "vm-state": ["failed", /agent cannot freeze it/],
      "guest-agent": ["failed", /not connected/],
    }],
    [
      "silent agent, fallback",
      { devices: vda, state: "running", agent: "silent", policy: "    agent: fallback\n" },
      { "guest-agent": ["warning", /crash-consistent/] },
    ],
    ["managed save", { devices: vda, managedSave: true }, {
      "vm-state": ["warning", /saved memory image/],
    }],
    ["paused", { devices: vda, state: "paused" }, { "vm-state": ["failed", /it is paused/] }],
    ["snapshots", { devices: vda, snapshots: ["before", "after"] }, {
      "no-snapshots": ["failed", /before, after/],
    }],
    ["one checkpoint", { devices: vda, checkpoints: ["veeam-1"] }, {
      "no-snapshots": ["failed", /checkpoints of another program: veeam-1/],
    }],
    ["block job", { devices: vda, state: "running", busy: ["vda"] }, {
      "no-block-jobs": ["failed", /a block job runs on vda/],
    }],
    ["backup job", { devices: vda, state: "running", backupJob: "<domainbackup/>" }, {
      "no-block-jobs": ["failed", /a backup job of another program runs/],
    }],
  ];
  for (const [label, asked, expected] of table) {
    const results = await check(asked);
    for (const [name, [outcome, detail, hint]] of Object.entries(expected)) {
      const found = results.get(name);
      assert.equal(found?.outcome, outcome, `${label}: ${name}: ${found?.detail}`);
      assert.match(found.detail, detail, label);
      if (hint !== undefined) assert.match(found.hint ?? "", hint, label);
    }
  }
});
