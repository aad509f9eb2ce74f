import assert from "node:assert/strict";
import type { Virsh } from "../../../core/libvirt/virsh.ts";
import { type RestoreCheckContext, restoreChecks } from "../../../core/restore/checks.ts";
import { machineVerdict } from "../../../core/restore/machine_check.ts";

async function verdict(plan: Partial<RestoreCheckContext["plan"]>) {
  const context = {
    plan: { mode: "recreate", hostTies: [], leftOut: [], trustDefinition: false, ...plan },
  } as unknown as RestoreCheckContext;
  const check = restoreChecks(context).find(({ name }) => name === "definition");
  assert.ok(check);
  return await check.run();
}

Deno.test("restoreChecks refuse what a definition would use of the host, unless someone answers for it", async () => {
  for (
    const [plan, outcome, words] of [
      [{}, "ok", /nothing of this hypervisor but/],
      [{ hostTies: ["hostdev x"] }, "failed", /would use of this hypervisor: "hostdev x"/],
      [{ hostTies: ["hostdev x"], trustDefinition: true }, "ok", /as trusted, .*"hostdev x"/],
      [{ leftOut: ["serial on file /x"] }, "warning", /left out: "serial on file \/x"/],
      [
        { hostTies: ["a"], leftOut: ["b"], trustDefinition: true },
        "warning",
        /as trusted, .*"a"; left out: "b"/,
      ],
      [{ hostTies: ["a"], leftOut: ["b"] }, "failed", /hypervisor: "a"$/],
      [{ mode: "clone", hostTies: ["os/kernel /x"] }, "failed", /os\/kernel/],
      [{ hostTies: ["\u001b[31mred\nok: all"] }, "failed", /"\\u001b\[31mred\\nok: all"/],
    ] as const
  ) {
    const found = await verdict(plan);
    assert.equal(found.outcome, outcome);
    assert.match(found.detail, words);
    assert.equal(found.hint === undefined, outcome !== "failed");
    if (found.hint) assert.match(found.hint, /--trust-definition/);
  }
});

Deno.test("machineVerdict asks libvirt to run no emulator of the share's choice", async () => {
  const asked: string[][] = [];
  const virsh = {
    attempt(args: string[]) {
      asked.push(args);
      return Promise.resolve({ code: 0, stdout: "<domainCapabilities/>", stderr: "" });
    },
  } as unknown as Virsh;
  const xml = "<domain type='kvm'><os><type arch='x86_64' machine='q35'>hvm</type></os>" +
    "<devices><emulator>/opt/own/qemu</emulator></devices></domain>";
  const system = { files: { inspectTarget: () => Promise.resolve({}) } };
  for (
    const [known, trustDefinition, runs] of [
      [[], false, false],
      [["/usr/bin/qemu-system-x86_64"], false, false],
      [["/opt/own/qemu"], false, true],
      [[], true, true],
    ] as const
  ) {
    asked.length = 0;
    await machineVerdict(
      {
        ...{ system, virsh, facts: { emulators: new Set(known) }, plan: { xml, trustDefinition } },
      } as unknown as Parameters<typeof machineVerdict>[0],
    );
    assert.equal(asked.flat().includes("/opt/own/qemu"), runs);
    assert.ok(asked.flat().includes("q35"));
  }
});
