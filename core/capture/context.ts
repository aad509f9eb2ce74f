import type { Report } from "../event.ts";
import type { Domain } from "../libvirt/domain.ts";
import type { DomainDescription, DomainDisk } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { GuestHook } from "../journal/journal_entry.ts";
import type { Journal } from "../journal/journal.ts";
import type { System } from "../sys/system.ts";

/** Programs in the guest that make its applications ready for a freeze, and let them go on after it. */
export interface GuestHooks {
  readonly beforeFreeze: GuestHook | undefined;
  readonly afterThaw: GuestHook | undefined;
}

/** What every way to capture needs. */
export interface CaptureContext {
  readonly system: Pick<System, "clock" | "files" | "processes" | "host" | "network">;
  readonly virsh: Virsh;
  readonly domain: Domain;
  /** The domain's live XML, or the persistent one when it is shut off. */
  readonly description: DomainDescription;
  /** Disks to capture. */
  readonly disks: readonly DomainDisk[];
  readonly journal: Journal;
  /** Local folder that QEMU may write to: sockets, scratch files, overlays. */
  readonly scratchFolder: string;
  /** Local folder of root only: command files and logs. */
  readonly stagingFolder: string;
  readonly freezeTimeoutSeconds: number;
  /** Whether the guest agent answered just now, and can freeze. */
  readonly agentAnswers: boolean;
  /** A freeze that fails does not end the capture: a crash-consistent image is better than none. */
  readonly crashAccepted: boolean;
  readonly guestHooks: GuestHooks;
  /** A saved memory image waits for the domain's next start. */
  readonly managedSave: boolean;
  readonly report: Report;
}
