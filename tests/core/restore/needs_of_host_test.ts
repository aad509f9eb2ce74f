import assert from "node:assert/strict";
import { openVirsh } from "../../../core/libvirt/virsh.ts";
import {
  bootFiles,
  capturedDisks,
  otherData,
  secrets,
} from "../../../core/restore/needs_of_host.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { domainXml, fakeVirshProcesses, fileDisk } from "../survey/fake_domain.ts";

const secret = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
const xml = domainXml(
  `<tpm model='tpm-crb'><backend type='emulator'><encryption secret='${secret}'/></backend></tpm>`,
  "<os><kernel>/gone/vmlinuz</kernel></os><sysinfo type='fwcfg'><entry name='a' file='/gone/a.ign'/></sysinfo>",
);

function context(
  secretsHere: readonly string[],
  changes: Partial<Parameters<typeof otherData>[0]["plan"]> = {},
) {
  const processes = fakeVirshProcesses({ inactive: xml, secrets: secretsHere });
  return {
    system: realSystem,
    virsh: openVirsh(processes, "qemu:///system"),
    plan: { xml, nvram: undefined, otherData: [], folder: "/share/hv1/web/1", ...changes },
  };
}

Deno.test("bootFiles names what the VM starts from and is not here, and the file that the backup keeps of it", async () => {
  const kept = [
    { kind: "kernel", source: "/gone/vmlinuz", use: "boot", file: null },
    { kind: "fw_cfg file", source: "/gone/a.ign", use: "boot", file: "boot/1" },
    { kind: "ROM", source: "/gone/rom-of-a-part-left-out", use: "boot", file: "boot/2" },
  ];
  const verdict = await bootFiles(context([], { otherData: kept }));
  assert.equal(verdict.outcome, "failed");
  assert.equal(verdict.detail, 'not on this hypervisor: "/gone/vmlinuz", "/gone/a.ign"');
  assert.match(verdict.hint ?? "", /"\/gone\/a\.ign" is "\/share\/hv1\/web\/1\/boot\/1"$/);
  assert.match((await bootFiles(context([]))).hint ?? "", /Install the firmware/);
});

Deno.test("otherData names what the VM kept outside of its disks, and boot files that were not kept", () => {
  assert.equal(otherData(context([])).outcome, "ok");
  const verdict = otherData(context([], {
    otherData: [
      { kind: "shared folder", source: "/srv", use: "data", file: null },
      { kind: "initrd", source: "/i", use: "boot", file: null },
      { kind: "kernel", source: "/k", use: "boot", file: "boot/1" },
      { kind: "host device (pci)", source: "1", use: "host", file: null },
    ],
  }));
  assert.equal(verdict.outcome, "warning");
  assert.equal(verdict.detail, 'not in the backup: shared folder "/srv", initrd "/i"');
});

Deno.test("secrets looks for each that the definition names", async () => {
  assert.equal((await secrets(context([secret]))).outcome, "ok");
  const verdict = await secrets(context([]));
  assert.equal(verdict.outcome, "warning");
  assert.match(verdict.detail, /does not have the secret "0a81f5b2-.*" \(TPM\)$/);
  assert.equal((await secrets(context([], { xml: domainXml("") }))).outcome, "ok");
});

Deno.test("capturedDisks wants every disk of the backup in the definition", () => {
  const disks = [{ disk: "vda" }, { disk: "vdb" }];
  const both = domainXml(fileDisk("vda", "/a") + fileDisk("vdb", "/b"));
  assert.equal(capturedDisks({ plan: { xml: both, disks } }).outcome, "ok");
  const verdict = capturedDisks({ plan: { xml: domainXml(fileDisk("vda", "/a")), disks } });
  assert.equal(verdict.outcome, "failed");
  assert.match(verdict.detail, /^disk vdb of the backup is in none/);
});
