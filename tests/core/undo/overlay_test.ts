import assert from "node:assert/strict";
import { realSystem } from "../../../core/sys/system.ts";
import { removeOverlays } from "../../../core/undo/overlay.ts";
import { scriptedVirsh } from "../libvirt/scripted_virsh.ts";
import { testDomain } from "../libvirt/test_driver.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

/** A domain of one disk, on `source`, with more inside `<disk>`. */
const on = (source: string, inner = "") =>
  `<domain><devices><disk type='file' device='disk'><driver type='qcow2'/><source file='${source}'/>
  <target dev='vda' bus='virtio'/>${inner}</disk></devices></domain>`;
const below = (source: string) =>
  `<backingStore type='file'><format type='qcow2'/><source file='${source}'/></backingStore>`;
const ready = "<mirror job='active-commit' ready='yes'/>";

interface Stand {
  /** The live XML at each look, and the persistent one; `@` stands for our overlay. */
  readonly live: readonly string[];
  readonly persistent: string;
}

async function remove({ live, persistent }: Stand) {
  await using folder = await temporaryFolder();
  const overlay = `${folder.path}/vda.overlay`;
  await Deno.writeTextFile(overlay, "the guest's last writes");
  let look = 0;
  const virsh = scriptedVirsh({
    domstate: () => "running",
    dumpxml: (words) =>
      (words.includes("--inactive") ? persistent : live[Math.min(look++, live.length - 1)] ?? "")
        .replaceAll("@", overlay),
    blockcommit: () => "",
    blockjob: () => "",
  });
  const failure = await removeOverlays(
    {
      system: { ...realSystem, clock: fakeClock() },
      virsh,
      domain: testDomain,
      stagingFolder: folder.path,
      report: () => {},
    },
    {
      disks: [{ target: "vda", base: "/img/vda", baseFormat: "qcow2", overlay }],
      xmlFile: `${folder.path}/before.xml`,
    },
  ).then(() => undefined, (error) => error);
  return {
    code: failure?.code,
    commits: virsh.asked.filter(([word]) => word === "blockcommit").length,
    kept: await realSystem.files.inspect(overlay) !== undefined,
  };
}

Deno.test("removeOverlays commits, pivots and removes what is ours", async () => {
  const { code, commits, kept } = await remove({
    live: [on("@", below("/img/vda")), on("@", ready), on("/img/vda")],
    persistent: on("/img/vda"),
  });
  assert.deepEqual([code, commits, kept], [undefined, 1, false]);
});

Deno.test("removeOverlays leaves an overlay of someone else above ours alone, and ours below it", async () => {
  const { code, commits, kept } = await remove({
    live: [on("/admin/vda.overlay", below("@"))],
    persistent: on("/admin/vda.overlay"),
  });
  assert.deepEqual([code, commits, kept], ["capture.overlay-foreign", 0, true]);
});

Deno.test("removeOverlays keeps an overlay as long as any XML of the domain names it", async () => {
  const off = on("/img/vda");
  for (
    const [name, stand] of [
      ["persistent", { live: [off], persistent: on("@") }],
      ["live, below the top", { live: [off, on("/img/vda", below("@"))], persistent: off }],
      ["still mirrored", { live: [off, on("/img/vda", ready)], persistent: off }],
    ] as const
  ) {
    const { code, kept } = await remove(stand);
    assert.deepEqual([code, kept], ["capture.commit", true], name);
  }
});
