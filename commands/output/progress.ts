import { formatBytes } from "../../core/format/bytes.ts";
import { formatDuration } from "../../core/format/duration.ts";

/** How far the disks of one phase are. */
export interface ProgressState {
  readonly disks: readonly DiskProgress[];
}

interface DiskProgress {
  readonly target: string;
  /** Bytes. */
  readonly done: number;
  readonly total: number;
  /** Milliseconds of a clock that never jumps: of the first and the last word of it. */
  readonly since: number;
  readonly now: number;
}

export const noProgress: ProgressState = { disks: [] };

export function advance(
  state: ProgressState,
  event: { readonly target: string; readonly done: number; readonly total: number },
  now: number,
): ProgressState {
  const known = state.disks.find(({ target }) => target === event.target);
  const disk = { ...event, since: known?.since ?? now, now };
  return {
    disks: known === undefined
      ? [...state.disks, disk]
      : state.disks.map((other) => other === known ? disk : other),
  };
}

/** One line: `vda 45% 210 MiB/s, 12 s left | vdb ...`; cut to `columns`. */
export function renderProgress({ disks }: ProgressState, columns: number): string {
  const line = disks.map(renderDisk).join(" | ");
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}

export function percentOf(
  { done, total }: { readonly done: number; readonly total: number },
): number {
  return total === 0 ? 100 : Math.floor((Math.min(done, total) / total) * 100);
}

function renderDisk(disk: DiskProgress): string {
  const elapsed = disk.now - disk.since;
  const percent = `${disk.target} ${String(percentOf(disk)).padStart(3)}%`;
  if (elapsed <= 0) return percent;
  const perMs = disk.done / elapsed;
  const left = perMs > 0 ? `, ${formatDuration((disk.total - disk.done) / perMs)} left` : "";
  return `${percent} ${formatBytes(perMs * 1000)}/s${left}`;
}
