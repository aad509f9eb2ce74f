import type { VmEntry } from "../config/vm_list.ts";
import type { Settings } from "../config/settings.ts";
import type { Report } from "../event.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { Files } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import type { Phases } from "../run/phases.ts";
import type { BackupRequest } from "./plan.ts";
import type { RunLog } from "../run/log.ts";

/** What one run of a backup works with. */
export interface BackupContext {
  readonly system: System;
  readonly settings: Settings;
  readonly entry: VmEntry;
  readonly request: BackupRequest;
  readonly virsh: Virsh;
  /** The door to the share: each of its operations has a deadline. */
  readonly share: Files;
  readonly runId: string;
  /** Id of the backup on the share. */
  readonly id: string;
  readonly vmbVersion: string;
  readonly startedAt: Date;
  readonly phases: Phases;
  readonly log: RunLog;
  readonly report: Report;
  readonly signal: AbortSignal;
}
