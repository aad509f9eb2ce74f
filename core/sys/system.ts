import { type Clock, systemClock } from "./clock.ts";
import { type Files, systemFiles } from "./files.ts";
import { type Host, systemHost } from "./host.ts";
import { type Network, systemNetwork } from "./network.ts";
import { type Processes, systemProcesses } from "./process.ts";

/**
 * All doors to the outside world. `main.ts` makes one; a function asks only for those it uses:
 * `Pick<System, "clock" | "files">`.
 */
export interface System {
  readonly clock: Clock;
  readonly files: Files;
  readonly host: Host;
  readonly network: Network;
  readonly processes: Processes;
}

export const realSystem: System = {
  clock: systemClock,
  files: systemFiles,
  host: systemHost,
  network: systemNetwork,
  processes: systemProcesses,
};
