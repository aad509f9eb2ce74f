import assert from "node:assert/strict";
import { readAround } from "../../../core/backup/companions.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const domain = { name: "gw-1", uuid: "99999999-2222-4333-8444-555555555555" };

Deno.test("readAround keeps nvram and TPM state that stood still", async () => {
  await using stand = await machine();
  await Deno.writeTextFile(`${stand.tpm}/tpm2-00.permall`, "state");
  const { value, companions, warnings } = await readAround(stand.options, () => Promise.resolve(7));
  assert.deepEqual([value, warnings], [7, []]);
  assert.deepEqual(companions.map(({ name, role }) => [name, role]), [
    ["gw-1-nvram.fd", "nvram"],
    ["gw-1-tpm.tar", "tpm"],
  ]);
  assert.equal(new TextDecoder().decode(companions[0]?.content), "variables");
  const tar = `${stand.path}/out.tar`;
  await Deno.writeFile(tar, companions[1]?.content ?? new Uint8Array());
  const { stdout } = await realSystem.processes.run(["tar", "-xOf", tar, "./tpm2-00.permall"]);
  assert.equal(stdout, "state");
});

Deno.test("readAround says of a companion that changed meanwhile that it is of a later moment", async () => {
  await using stand = await machine();
  const { companions, warnings } = await readAround(stand.options, async () => {
    await Deno.writeTextFile(stand.nvram, "changed");
  });
  assert.equal(new TextDecoder().decode(companions[0]?.content), "changed");
  assert.deepEqual(warnings, [
    "gw-1-nvram.fd changed while the disks were captured: it is of a moment later",
  ]);
});

Deno.test("readAround gives up on a companion that does not come to rest", async () => {
  await using stand = await machine();
  let reads = 0;
  const files = {
    ...realSystem.files,
    read: (path: string) =>
      path === stand.nvram
        ? Promise.resolve(new Uint8Array([reads++]))
        : realSystem.files.read(path),
  };
  const system = { ...stand.options.system, files };
  const { companions, warnings } = await readAround(
    { ...stand.options, system },
    () => Promise.resolve(),
  );
  assert.equal(companions[0]?.content[0], reads - 1);
  assert.equal(warnings.length, 2);
  assert.match(warnings[1] ?? "", /gw-1-nvram\.fd did not come to rest/);
  assert.ok(reads < 20);
});

Deno.test("readAround says what it could not read, and keeps the rest", async () => {
  await using stand = await machine();
  await Deno.remove(stand.nvram);
  const { companions, warnings } = await readAround(stand.options, () => Promise.resolve());
  assert.deepEqual(companions.map(({ role }) => role), ["tpm"]);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /^UEFI variable store ".*VARS\.fd" cannot be read/);
  await Deno.remove(stand.tpm, { recursive: true });
  const second = await readAround(stand.options, () => Promise.resolve());
  assert.equal(second.companions.length, 0);
  assert.match(second.warnings[1] ?? "", /^TPM state ".*" is missing/);
});

Deno.test("readAround misses nothing of a VM that was never started, and notes it", async () => {
  await using stand = await machine();
  await Deno.remove(stand.nvram);
  await Deno.remove(stand.tpm, { recursive: true });
  const { companions, warnings, notes } = await readAround(
    { ...stand.options, isRunning: false },
    () => Promise.resolve(),
  );
  assert.deepEqual([companions, warnings], [[], []]);
  assert.match(notes[0] ?? "", /VARS\.fd" is not there yet: .* from its template$/);
  assert.match(notes[1] ?? "", /^TPM state ".*" is not there yet/);
});

Deno.test("readAround of a domain without companions reads nothing", async () => {
  await using stand = await machine();
  const description = describeDomain("<domain/>");
  assert.deepEqual(await readAround({ ...stand.options, description }, () => Promise.resolve(1)), {
    value: 1,
    companions: [],
    warnings: [],
    notes: [],
  });
});

async function machine() {
  const folder = await temporaryFolder();
  const nvram = `${folder.path}/gw-1_VARS.fd`;
  const tpm = `${folder.path}/tpm`;
  await Deno.writeTextFile(nvram, "variables");
  await Deno.mkdir(tpm);
  const description = describeDomain(`<domain><os><nvram>${nvram}</nvram></os><devices>
    <tpm model='tpm-crb'><backend type='emulator'><source type='dir' path='${tpm}'/></backend></tpm>
    </devices></domain>`);
  return {
    ...folder,
    nvram,
    tpm,
    options: {
      system: { ...realSystem, clock: fakeClock() },
      domain,
      description,
      libvirtUri: "qemu:///system",
      isRunning: true,
    },
  };
}
