import type { Settings } from "../config/settings.ts";
import type { Validation } from "../config/vm_list.ts";
import type { Report } from "../event.ts";
import type { Domain } from "../libvirt/domain.ts";
import type { DomainDescription } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { Journal } from "../journal/journal.ts";
import type { StoredBackup } from "../repository/backups.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { Files } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
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
export interface ProofContext {
  readonly system: System;
  readonly settings: Settings;
  readonly virsh: Virsh;
  /** The door to the share: each of its operations has a deadline. */
  readonly share: Files;
  readonly request: ProofRequest;
  readonly validate: readonly Validation[];
  readonly backup: StoredBackup & { readonly manifest: Manifest };
  /** The throw-away copy. */
  readonly copy: Domain;
  /** Hexadecimal digits that the names of all that is made end with. */
  readonly short: string;
  readonly scratchFolder: string;
  readonly stagingFolder: string;
  /** User that QEMU runs as. */
  readonly owner: DomainDescription["owner"];
  readonly journal: Journal;
  readonly steps: Steps;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** A copy that runs. */
export interface RunningCopy {
  readonly description: DomainDescription;
  readonly consoleLog: string;
  readonly network: IsolatedNetwork | undefined;
  /** Of the clock that never jumps: when libvirt was told to start it. */
  readonly startedAt: number;
}
