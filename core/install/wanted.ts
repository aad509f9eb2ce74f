import confExample from "../../templates/config/vm-backup.conf" with { type: "text" };
import vmListExample from "../../templates/config/vm-list.yaml" with { type: "text" };
import launcher from "../../templates/hv/vmb-job" with { type: "text" };
import logrotate from "../../templates/hv/vm-backup.logrotate" with { type: "text" };
import { places } from "./places.ts";
import type { PushedFile } from "./pushed.ts";
import { type TimerName, timerPaths, timerUnits } from "./timers.ts";

/** Something that shall be on the machine. */
export type Wanted =
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | {
    readonly kind: "program";
    readonly path: string;
    readonly mode: number;
    /** The file that is copied, and its digest. */
    readonly source: string;
    readonly sha256: string;
  }
  | {
    readonly kind: "file";
    readonly path: string;
    readonly mode: number;
    readonly content: string;
    /** An example is made where nothing is, and is its reader's from then on. */
    readonly example: boolean;
    /** Other content that is known to be nobody's work: the example, where a real file comes. */
    readonly pristine: readonly string[];
  }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

export interface WantedOptions {
  readonly program: { readonly path: string; readonly sha256: string };
  readonly timers: readonly TimerName[];
  /** Files that `vmb ctl push` brought. */
  readonly pushed: readonly PushedFile[];
}

const examples = [
  { path: `${places.config}/vm-backup.conf`, content: confExample },
  { path: `${places.config}/vm-list.yaml`, content: vmListExample },
] as const;

/** All that an installation consists of, in the order in which it is made: the program comes early. */
export function wantedInstallation(options: WantedOptions): readonly Wanted[] {
  const { program, timers, pushed } = options;
  return [
    { kind: "folder", path: places.base, mode: 0o755 },
    { kind: "folder", path: places.bin, mode: 0o755 },
    { kind: "folder", path: places.config, mode: 0o750 },
    { kind: "folder", path: places.logs, mode: 0o750 },
    {
      kind: "program",
      path: places.program,
      mode: 0o755,
      source: program.path,
      sha256: program.sha256,
    },
    { kind: "folder", path: places.jobs, mode: 0o755 },
    file(places.launcher, launcher, { mode: 0o755 }),
    { kind: "link", path: places.link, target: places.program },
    { kind: "link", path: places.labLink, target: places.program },
    ...examples.filter(({ path }) => !pushed.some((file) => file.path === path))
      .map(({ path, content }) => file(path, content, { mode: 0o640, example: true })),
    ...pushed.map(({ path, content, mode }) =>
      file(path, content, {
        mode,
        pristine: examples.filter((example) => example.path === path)
          .map((example) => example.content),
      })
    ),
    ...timers.flatMap((timer) =>
      timerUnits(timer).map(({ path, content }) => file(path, content, { mode: 0o644 }))
    ),
    ...timers.map((timer) => {
      const { timer: target, enabled } = timerPaths(timer);
      return { kind: "link" as const, path: enabled, target };
    }),
    file(places.logrotate, logrotate, { mode: 0o644 }),
  ];
}

function file(
  path: string,
  content: string,
  { mode, example = false, pristine = [] }: {
    readonly mode: number;
    readonly example?: boolean;
    readonly pristine?: readonly string[];
  },
): Wanted {
  return { kind: "file", path, mode, content, example, pristine };
}
