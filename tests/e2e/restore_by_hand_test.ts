import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openLab } from "../lab/lab.ts";
import { program } from "./program.ts";
import { assertContent, backUpGuest, loseGuest, openRestoreSite } from "./restoring.ts";
import { addTpm, noTpm } from "./tpm.ts";

const guide = fileURLToPath(new URL("../../docs/05-restore.md", import.meta.url));

/** The commands of the guide's last chapter, block by block. */
async function blocksByHand(): Promise<readonly string[]> {
  const [, chapter = ""] = (await Deno.readTextFile(guide)).split("## By hand");
  return [...chapter.matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block ?? "");
}

for (const kind of ["two-disks", "uefi", "tpm"] as const) {
  const name =
    `docs/05-restore.md brings back a lost VM (${kind}) with sha256sum, cp, qemu-img and virsh alone`;
  Deno.test({ name, ignore: kind === "tpm" && noTpm, fn: () => restoreByHand(kind) });
}

async function restoreByHand(kind: "two-disks" | "uefi" | "tpm"): Promise<void> {
  await using lab = await openLab();
  const site = await openRestoreSite(lab, kind === "tpm" ? "system" : undefined);
  const { guest, manifest, folder } = await backUpGuest(
    site,
    { name: "hand", kind: kind === "tpm" ? "one-disk" : kind },
    (guest) => kind === "tpm" ? addTpm(site, guest) : Promise.resolve(),
  );
  await loseGuest(site, guest);
  const [verify, define, disks, start, nvram, tpm] = await blocksByHand();
  assert.ok(nvram && tpm);
  const [qcow2 = "", raw = ""] = (disks ?? "").trim().split("\n");
  const blocks = {
    "two-disks": [verify, define, qcow2, raw, start],
    uefi: [verify, define, qcow2, nvram, start],
    tpm: [verify, define, qcow2, tpm, start],
  }[kind];
  const [vda, vdb] = guest.disks;
  const script = blocks.join("\n")
    .replaceAll("/mnt/backup/hv1/prod-db-01/2026-11-21-120000", folder)
    .replaceAll("/var/lib/libvirt/images/prod-db-01-vda.qcow2", vda?.path ?? "")
    .replaceAll("/var/lib/libvirt/images/prod-db-01-vdb.raw", vdb?.path ?? "")
    .replaceAll("/var/lib/libvirt/qemu/nvram/prod-db-01_VARS.fd", guest.nvram ?? "")
    .replaceAll("swtpm/UUID", `swtpm/${manifest.vm.uuid}`)
    .replaceAll("prod-db-01", guest.name);
  const words = new Set(
    script.split("\n").map((line) => line.split(" ")[0]).filter((word) => word !== ""),
  );
  for (const word of words) {
    assert.ok(
      ["cd", "sha256sum", "virsh", "cp", "qemu-img", "mkdir", "tar"].includes(word ?? ""),
      word,
    );
  }
  // All but the start, so that the disks can be compared before they change.
  const [before, last] = [
    script.replace(/^virsh start.*$/m, ""),
    /^virsh start.*$/m.exec(script),
  ];
  const env = Object.entries({
    ...site.hypervisor.env,
    LIBVIRT_DEFAULT_URI: site.hypervisor.uri,
  }).map(([name, value]) => `${name}=${value}`);
  await program("env", ...env, "sh", "-e", "-c", before);
  await assertContent(
    { disks: guest.disks.map(({ target, path }) => ({ target, path })) },
    manifest,
  );
  await program("env", ...env, "sh", "-e", "-c", last?.[0] ?? "false");
  await guest.waitForConsole(/VMB-HEARTBEAT/);
  await guest.waitForAgent();
}
