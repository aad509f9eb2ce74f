import { runMain } from "../../commands/main.ts";
import { type Argv, systemProcesses } from "../../core/sys/process.ts";
import { realSystem } from "../../core/sys/system.ts";
import type { System } from "../../core/sys/system.ts";
import { temporaryFolder } from "../core/nbd/servers.ts";
import { type FakeTerminal, fakeTerminal } from "./fake_terminal.ts";

/** A machine whose libvirt is libvirt's own test driver: real virsh, one domain `test`, no VM. */
export interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly share: string;
  run(...args: readonly string[]): Promise<Ended>;
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** @param conf lines of `vm-backup.conf` after those that name the folders */
export async function openSite(
  { conf = "", list = "", changes = {} }: {
    readonly conf?: string;
    readonly list?: string;
    readonly changes?: Partial<System>;
  } = {},
): Promise<Site> {
  const folder = await temporaryFolder();
  const { path } = folder;
  for (const name of ["config", "share"]) await Deno.mkdir(`${path}/${name}`);
  const lines = [
    "HYPERVISOR_NAME=hv1",
    `BACKUP_ROOT=${path}/share`,
    `SCRATCH_DIR=${path}/scratch`,
    `STATE_DIR=${path}/state`,
    `LOG_DIR=${path}/logs`,
    conf,
  ];
  await Deno.writeTextFile(`${path}/config/vm-backup.conf`, `${lines.join("\n")}\n`, {
    mode: 0o600,
  });
  await Deno.writeTextFile(`${path}/config/vm-list.yaml`, list, { mode: 0o600 });
  const onTestDriver = ([program, ...words]: Argv): Argv => [
    program,
    ...words.map((word) => word === "qemu:///system" ? "test:///default" : word),
  ];
  const system: System = {
    ...realSystem,
    host: {
      ...realSystem.host,
      env: (name) => name === "VMB_CONFIG_DIR" ? `${path}/config` : undefined,
      onStopSignal: () => () => {},
    },
    processes: {
      ...systemProcesses,
      run: (argv, options) => systemProcesses.run(onTestDriver(argv), options),
    },
    ...changes,
  };
  return {
    folder: path,
    share: `${path}/share`,
    async run(...args) {
      const terminal: FakeTerminal = fakeTerminal();
      const code = await runMain(system, terminal, { version: "9.8.7", args });
      return { code, ...terminal.written };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
