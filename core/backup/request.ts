import type { Method } from "../survey/method.ts";
import type { Level } from "./level.ts";

/** What someone asks for. */
export interface BackupRequest {
  readonly vm: string;
  /** Overrides vm-list.yaml. */
  readonly method: Method | undefined;
  readonly level: Level;
  /** The level in the caller's own word. */
  readonly levelWord: string;
  readonly baculaJobId: number | undefined;
  /** Milliseconds to wait for another backup to end. */
  readonly lockWaitMs: number;
  readonly readBack: boolean;
  /** Disks that are copied side by side. */
  readonly parallelDisks: number;
}
