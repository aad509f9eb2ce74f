import assert from "node:assert/strict";
import { earlyCloseDanger } from "../../../core/survey/early_close.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { scriptedVirsh } from "../libvirt/scripted_virsh.ts";
import { testDomain } from "../libvirt/test_driver.ts";

const disk = (target: string, iothread: string) =>
  `<disk><driver ${iothread}/><target dev='${target}' bus='virtio'/></disk>`;
const liveXml = `<domain><devices>${disk("vda", "iothread='1'")}${
  disk("vdb", "")
}</devices></domain>`;

/** The danger, by the version that the log tells of the domain's start, and the one that libvirt tells. */
async function danger(started: string | undefined, installed: string | undefined, targets: string) {
  const log = started && `: starting up libvirt version: 9.0.0, qemu version: ${started}Debian\n`;
  const processes = {
    ...realSystem.processes,
    run: (argv: readonly [string, ...string[]]) =>
      Promise.resolve({ argv, code: log === undefined ? 1 : 0, stdout: log ?? "", stderr: "" }),
  };
  const virsh = scriptedVirsh({
    version: () => installed === undefined ? "" : `Running hypervisor: QEMU ${installed}\n`,
  });
  return await earlyCloseDanger({ ...realSystem, processes }, virsh, {
    domain: testDomain,
    liveXml,
    targets: targets.split(","),
  });
}

Deno.test("earlyCloseDanger is there with an iothread, for QEMU before 8.2.3", async () => {
  for (
    const [started, installed, targets, endangered] of [
      ["7.2.22", "7.2.22", "vda", true],
      ["7.2.22", "7.2.22", "vda,vdb", true],
      ["7.2.22", "7.2.22", "vdb", false],
      ["8.2.2", "8.2.2", "vda", true],
      ["8.2.3", "8.2.3", "vda", false],
      ["8.1.50", "8.1.50", "vda", true],
      ["9.0.0", "9.0.0", "vda", false],
      ["10.0.2", "10.0.2", "vda", false],
      // The VM runs the QEMU that it was started with.
      ["7.2.22", "10.0.2", "vda", true],
      ["10.0.2", "7.2.22", "vda", false],
      [undefined, "7.2.22", "vda", true],
      [undefined, "10.0.2", "vda", false],
      [undefined, undefined, "vda", true],
    ] as const
  ) {
    const said = await danger(started, installed, targets);
    assert.equal(said !== undefined, endangered, `${started} ${installed} ${targets}`);
    if (said !== undefined) assert.match(said, /^vda has an iothread, and QEMU (\d|of an unknown)/);
  }
});
