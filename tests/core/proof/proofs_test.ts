import assert from "node:assert/strict";
import { candidates } from "../../../core/proof/choose_vm.ts";
import type { Proof } from "../../../core/proof/proof.ts";
import {
  lastProof,
  listProofs,
  proofName,
  proofsFolder,
  storeProof,
} from "../../../core/proof/proofs.ts";
import { type BackupAddress } from "../../../core/repository/layout.ts";
import { listBackups } from "../../../core/repository/backups.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { journalWith } from "../journal/records.ts";
import { addressIn, publishBackup } from "../repository/stored.ts";

function proofOf(address: BackupAddress, changes: Partial<Proof> = {}): Proof {
  return {
    schemaVersion: 1,
    runId: "vmb-test-1",
    vm: address.vm,
    backup: { hypervisor: address.hypervisor, id: address.id },
    provedOn: "hv1",
    startedAt: "2026-11-22T00:00:00.000Z",
    finishedAt: "2026-11-22T00:00:09.000Z",
    verdict: "pass",
    reason: "it boots",
    network: "link-down",
    fullCopy: false,
    recoverySeconds: 5.5,
    bootSeconds: 5,
    bootedBy: "guest-agent",
    compared: [{ target: "vda", clusters: 7, of: 7 }],
    system: null,
    fileSystems: [],
    addresses: [],
    steps: [],
    screenshot: null,
    versions: { vmb: "0.1.0", libvirt: null, qemu: null },
    ...changes,
  };
}

async function store(
  folder: string,
  address: BackupAddress,
  time: string,
  proof: Proof,
): Promise<string> {
  const journal = await journalWith(folder, [], { run: `vmb-test-${crypto.randomUUID()}` });
  const parent = proofsFolder(address);
  const stored = await storeProof(
    { share: systemFiles, journal, parent, time },
    proof,
    new Map([["console.log", new TextEncoder().encode("login:")]]),
  );
  assert.deepEqual(journal.outstanding().partials, []);
  await journal.end();
  return stored;
}

Deno.test("storeProof keeps proofs beside the backup, which stays as it was", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  await publishBackup(folder.path, address, { "a.txt": "a" });
  const before = await listBackups(systemFiles, address.root);
  const first = await store(folder.path, address, "2026-11-22-000000", proofOf(address));
  const failed = proofOf(address, { verdict: "fail", reason: "it does not boot" });
  // Two hypervisors may prove one backup in one second.
  const second = await store(folder.path, address, "2026-11-22-000000", failed);
  assert.notEqual(first, second);
  assert.equal(await Deno.readTextFile(`${first}/console.log`), "login:");
  assert.deepEqual(await listBackups(systemFiles, address.root), before);
  const proofs = await listProofs(systemFiles, address);
  assert.deepEqual(proofs.map(({ folder }) => folder), [first, second]);
  assert.deepEqual((await lastProof(systemFiles, address))?.proof, failed);
});

Deno.test("listProofs tells of a proof that cannot be read; lastProof passes over it", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  await store(folder.path, address, "2026-11-22-000000", proofOf(address));
  const torn = await store(folder.path, address, "2026-11-23-000000", proofOf(address));
  for (const text of ["{", `{"schemaVersion": 2}`, `{"schemaVersion": 1, "vm": 3}`]) {
    await Deno.writeTextFile(`${torn}/${proofName}`, text);
    const [, last] = await listProofs(systemFiles, address);
    assert.equal(last?.proof, undefined);
    assert.match(last?.problem ?? "", /^Proof ".*proof\.json" (is no JSON|has schema|is invalid)/);
    assert.equal((await lastProof(systemFiles, address))?.proof?.verdict, "pass");
  }
});

Deno.test("candidates begins with the VM whose last proof is the longest ago", async () => {
  await using folder = await temporaryFolder();
  const root = `${folder.path}/share`;
  const at = (vm: string, id: string) => addressIn(root, { vm, id });
  for (const vm of ["a", "b", "c", "unlisted"]) {
    for (const id of ["2026-11-20-120000", "2026-11-21-120000"]) {
      const instant = `${id.slice(0, 10)}T12:00:00.000Z`;
      await publishBackup(folder.path, at(vm, id), { "a.txt": "a" }, { instant });
    }
  }
  const prove = (vm: string, id: string, startedAt: string) =>
    store(folder.path, at(vm, id), "2026-11-22-000000", proofOf(at(vm, id), { startedAt }));
  await prove("a", "2026-11-20-120000", "2026-11-22T03:00:00.000Z");
  await prove("c", "2026-11-21-120000", "2026-11-22T02:00:00.000Z");
  const list = [{ name: "a" }, { name: "b" }, { name: "c" }, { name: "absent" }];
  const found = await candidates(systemFiles, root, list);
  assert.deepEqual(
    found.map(({ backup, provedAt }) => [backup.address.vm, backup.address.id, provedAt]),
    [
      ["b", "2026-11-21-120000", undefined],
      ["c", "2026-11-21-120000", "2026-11-22T02:00:00.000Z"],
      ["a", "2026-11-21-120000", "2026-11-22T03:00:00.000Z"],
    ],
  );
  assert.equal((await candidates(systemFiles, root, [])).length, 4);
  await assert.rejects(candidates(systemFiles, root, [{ name: "absent" }]), {
    code: "repository.no-backup",
  });
});
