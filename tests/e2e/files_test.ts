import assert from "node:assert/strict";
import { guestType } from "../lab/acceleration.ts";
import { createGuest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { findProgram } from "../lab/program_files.ts";
import { assertEnded, hypervisorName, names, openSite } from "./site.ts";

const guestfish = await findProgram("guestfish");
// libguestfs takes /dev/kvm for usable when it is there.
if (await guestType() === "qemu") Deno.env.set("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg");

Deno.test("vmb hv files reads single files by guestfish, or says that it is missing", async (t) => {
  await using lab = await openLab();
  const site = await openSite(lab);
  const guest = await createGuest(site.hypervisor, { name: "off", kind: "shut-off", dataMiB: 1 });
  await site.listVms([{ name: guest.name, hypervisor: hypervisorName }]);
  assertEnded(await site.vmb("hv", "backup", guest.name), 0);
  const files = (...args: readonly string[]) => site.vmb("hv", "files", guest.name, ...args);

  await t.step("wrong words are an error of usage", async () => {
    assertEnded(await files("latest", "get", "/filler"), 2);
    assertEnded(await files("latest", "ls", "/", "/tmp"), 2);
    assertEnded(await files("latest", "ls", "filler"), 2);
    assertEnded(await files("latest", "rm", "/filler"), 2);
    assertEnded(await files("2020-01-01-000000", "ls", "/"), 10);
  });
  if (guestfish === undefined) {
    const ended = await files("latest", "ls", "/", "--json");
    assertEnded(ended, 5);
    assert.equal(JSON.parse(ended.stdout).error.code, "files.no-guestfish");
    assert.match(ended.stderr, /hint: Install guestfs-tools/);
    return;
  }
  await t.step("a disk without a system wants one of its file systems named", async () => {
    const ended = await files("latest", "ls", "/");
    assertEnded(ended, 1);
    assert.match(ended.stderr, /--filesystem: \/dev\/sda: ext4/);
  });
  await t.step("ls, cat and get", async () => {
    const ls = await files("latest", "ls", "/", "--filesystem", "/dev/sda");
    assertEnded(ls, 0);
    assert.match(ls.stdout, /1048576 .* filler/);
    const target = await Deno.makeTempDir({ dir: lab.folder });
    const get = ["get", "/filler", target, "--filesystem", "/dev/sda"];
    assertEnded(await files("latest", ...get), 0);
    assert.equal((await Deno.stat(`${target}/filler`)).size, 1024 * 1024);
    const cat = await files("latest", "cat", "/filler", "--filesystem", "/dev/sda", "--json");
    assertEnded(cat, 0);
    const filler = await Deno.readFile(`${target}/filler`);
    assert.deepEqual(Uint8Array.fromBase64(JSON.parse(cat.stdout).base64), filler);
    assertEnded(await files("latest", "cat", "/none", "--filesystem", "/dev/sda"), 10);
  });
  await t.step("an image that stands on a file of this host is not opened", async () => {
    const parent = `${site.root}/${hypervisorName}/${guest.name}`;
    const [id = ""] = await names(parent);
    const image = `${parent}/${id}/${guest.name}-vda.qcow2`;
    const whole = await Deno.readFile(image);
    await Deno.writeTextFile(`${lab.folder}/secret`, "x".repeat(1024 * 1024));
    const header = new DataView(whole.buffer.slice(0, 112));
    header.setBigUint64(8, 112n);
    header.setUint32(16, `${lab.folder}/secret`.length);
    const file = await Deno.open(image, { write: true });
    await file.write(new Uint8Array(header.buffer));
    await file.write(new TextEncoder().encode(`${lab.folder}/secret`));
    file.close();
    for (const args of [["files", guest.name, "latest", "ls", "/"], ["test-restore", guest.name]]) {
      const ended = await site.vmb("hv", ...args);
      assertEnded(ended, 6);
      assert.match(ended.stderr, /is none that vmb writes: it stands on another file/);
    }
    const restored = await site.vmb("hv", "restore", guest.name, "--name", "gw-copy");
    assertEnded(restored, 6);
    const verified = await site.vmb("hv", "verify", guest.name);
    assertEnded(verified, 6);
    assert.match(verified.stderr, /is no image of a backup: it stands on another file/);
    await Deno.writeFile(image, whole);
  });
  assertEnded(await site.vmb("hv", "verify", guest.name), 0);
});
