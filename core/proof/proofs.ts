import type { Journal } from "../journal/journal.ts";
import { type BackupAddress, backupFolder } from "../repository/layout.ts";
import type { Files } from "../sys/files.ts";
import { type Proof, readProof, writeProof } from "./proof.ts";

export const proofName = "proof.json";

/** A proof on the share; it may be unreadable, and then says why. */
export interface StoredProof {
  readonly folder: string;
  readonly proof: Proof | undefined;
  readonly problem: string | undefined;
}

/** What a proof is believed for: files by name, beside `proof.json`. */
export type Evidence = ReadonlyMap<string, Uint8Array>;

/**
 * Where the proofs of a backup are kept: beside it, because the backup itself never changes.
 * `<root>/<hypervisor>/<vm>/<id>.proofs/<time>/`
 */
export function proofsFolder(address: BackupAddress): string {
  return `${backupFolder(address)}.proofs`;
}

/** Proofs of one backup, oldest first. */
export async function listProofs(
  share: Files,
  address: BackupAddress,
): Promise<readonly StoredProof[]> {
  const parent = proofsFolder(address);
  const names = (await share.list(parent)).filter((name) => /^\d{4}-\d{2}-\d{2}-\d{6}/.test(name));
  return await Promise.all(names.map((name) => read(share, `${parent}/${name}`)));
}

/** The last proof of a backup that can be read. */
export async function lastProof(
  share: Files,
  address: BackupAddress,
): Promise<StoredProof | undefined> {
  const parent = proofsFolder(address);
  const names = await share.list(parent);
  for (const name of names.toReversed()) {
    if (!/^\d{4}-\d{2}-\d{2}-\d{6}/.test(name)) continue;
    const stored = await read(share, `${parent}/${name}`);
    if (stored.proof !== undefined) return stored;
  }
  return undefined;
}

/**
 * Keeps a proof with its evidence: written under a hidden name, then renamed.
 *
 * @param time when the test restore began, as ids are written
 * @returns the folder of the proof
 */
export async function storeProof(
  { share, journal, parent, time }: {
    readonly share: Files;
    readonly journal: Journal;
    readonly parent: string;
    readonly time: string;
  },
  proof: Proof,
  evidence: Evidence,
): Promise<string> {
  const partial = `${parent}/.${journal.run}.partial`;
  await share.makeFolder(parent);
  await journal.write({ step: "partial", path: partial });
  await share.makeFolder(partial, { mode: 0o700 });
  for (const [name, bytes] of evidence) await share.write(`${partial}/${name}`, bytes);
  await share.write(`${partial}/${proofName}`, writeProof(proof));
  const folder = await nameIn(share, parent, time);
  await share.rename(partial, folder);
  await share.syncFolder(parent);
  await journal.write({ step: "partial-gone", path: partial });
  return folder;
}

/** Two hypervisors may prove one backup in the same second. */
async function nameIn(share: Files, parent: string, time: string): Promise<string> {
  for (let count = 1;; count++) {
    const folder = count === 1 ? `${parent}/${time}` : `${parent}/${time}-${count}`;
    if (await share.inspect(folder) === undefined) return folder;
  }
}

async function read(share: Files, folder: string): Promise<StoredProof> {
  const path = `${folder}/${proofName}`;
  try {
    return { folder, proof: readProof(await share.readText(path), path), problem: undefined };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { folder, proof: undefined, problem };
  }
}
