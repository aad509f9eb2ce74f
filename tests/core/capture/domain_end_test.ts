import assert from "node:assert/strict";
import { domainEnd } from "../../../core/capture/domain_end.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { scriptedVirsh } from "../libvirt/scripted_virsh.ts";
import { testDomain } from "../libvirt/test_driver.ts";

const crashed =
  "qemu: Assertion `x' failed.\n2026-11-25 22:53:21.167+0000: shutting down, reason=crashed\n";
const destroyed = "2026-11-25 22:53:21.167+0000: shutting down, reason=destroyed\n";
const gone = { code: 1, stderr: "error: failed to get domain" };

function endOf(state: string | typeof gone, id: string, log: string) {
  const processes = {
    ...realSystem.processes,
    run: (argv: readonly [string, ...string[]]) =>
      Promise.resolve({ argv, code: 0, stdout: log, stderr: "" }),
  };
  const virsh = scriptedVirsh({ domstate: () => state, domid: () => id });
  return domainEnd({ system: { ...realSystem, processes }, virsh, domain: testDomain }, "7");
}

Deno.test("domainEnd tells a crash from all else that ends a domain", async () => {
  for (
    const [state, id, log, code, message] of [
      ["running (booted)", "7", crashed, undefined, /^$/],
      ["paused (I/O error)", "7", "", undefined, /^$/],
      [
        "shut off (crashed)",
        "-",
        crashed,
        "capture.vm-crashed",
        /^VM "test" crashed.*: qemu: Assert/,
      ],
      [
        "shut off (crashed)",
        "-",
        "",
        "capture.vm-crashed",
        /^VM "test" crashed during its backup$/,
      ],
      ["crashed (panicked)", "7", "", "capture.vm-crashed", /crashed/],
      ["running (booted)", "8", crashed, "capture.vm-crashed", /crashed.*; it was started again/],
      ["running (booted)", "8", destroyed, "capture.lost", /was stopped or restarted/],
      [gone, "-", crashed, "capture.vm-crashed", /crashed/],
      [gone, "-", "", "capture.lost", /the domain ended during the copy/],
      ["shut off (shutdown)", "-", "", "capture.lost", /was shut down by its guest/],
      ["shut off (destroyed)", "-", "", "capture.lost", /stopped by somebody/],
      ["shut off (saved)", "-", "", "capture.lost", /saved to disk/],
      ["shut off (unknown)", "-", "", "capture.lost", /was stopped/],
    ] as const
  ) {
    const end = await endOf(state, id, log);
    const name = JSON.stringify(state);
    assert.equal(end?.code, code, name);
    assert.match(end?.message ?? "", message, name);
    if (code === "capture.vm-crashed") {
      assert.match(end?.hint ?? "", /^Read \/var\/log\/libvirt\/qemu\/test\.log.*find the cause/);
      assert.doesNotMatch(end?.hint ?? "", /Run the backup again/);
    }
  }
});

Deno.test("domainEnd takes a libvirt that does not answer for no end", async () => {
  const silent = { code: 1, stderr: "error: failed to connect to the hypervisor" };
  await assert.rejects(endOf(silent, "7", crashed), { code: "libvirt.connect" });
});
