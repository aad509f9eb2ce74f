import type { VmEntry } from "../config/vm_list.ts";
import type { Run } from "../run/open_run.ts";
import type { BackupRequest } from "./request.ts";

/** What one run of a backup works with. */
export interface BackupContext extends Run {
  readonly entry: VmEntry;
  readonly request: BackupRequest;
  /** Id of the backup on the share. */
  readonly id: string;
  readonly vmbVersion: string;
}
