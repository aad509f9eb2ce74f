import type { Validation } from "../config/vm_list.ts";
import type { Domain } from "../libvirt/domain.ts";
import type { DomainDescription } from "../libvirt/domain_xml.ts";
import type { Journal } from "../journal/journal.ts";
import type { StoredBackup } from "../repository/backups.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { Run } from "../run/open_run.ts";
import type { IsolatedNetwork } from "./isolated_network.ts";
import type { ProofNetwork } from "./proof.ts";
import type { Steps } from "./steps.ts";

/** What someone asks for. */
export interface ProofRequest {
  readonly network: ProofNetwork;
  /** Leave the copy running. */
  readonly keep: boolean;
  /** How long the guest may take to boot, in milliseconds. */
  readonly timeoutMs: number;
  /** Copy the disks and compare all of them, instead of booting from the share. */
  readonly fullCopy: boolean;
}

/** What one test restore works with. */
export interface ProofContext extends Run {
  readonly request: ProofRequest;
  readonly validate: readonly Validation[];
  readonly backup: StoredBackup & { readonly manifest: Manifest };
  /** The throw-away copy. */
  readonly copy: Domain;
  /** Hexadecimal digits that the names of all that is made end with. */
  readonly short: string;
  /** User that QEMU runs as. */
  readonly owner: DomainDescription["owner"];
  readonly journal: Journal;
  readonly steps: Steps;
}

/** A copy that runs. */
export interface RunningCopy {
  readonly description: DomainDescription;
  readonly consoleLog: string;
  readonly network: IsolatedNetwork | undefined;
  /** Of the clock that never jumps: when libvirt was told to start it. */
  readonly startedAt: number;
}
