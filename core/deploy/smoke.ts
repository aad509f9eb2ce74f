import type { Bconsole } from "../bacula/bconsole.ts";
import { consoleLine } from "../bacula/console_line.ts";
import { daemonVersion, directorVersion } from "../bacula/daemon_version.ts";
import { resourceNames } from "../bacula/names.ts";
import { type Check, failed, passed } from "../checks/check.ts";
import { VmbError } from "../error.ts";
import { type ServiceName, services } from "../podman/service.ts";
import { commandFailed } from "../sys/process.ts";
import { apiWorks, type BacularisSources, webAnswers, webLogin } from "./bacularis_check.ts";
import { catalogVersion } from "./catalog.ts";
import { type ContainerState, containerState, inContainer } from "./containers.ts";
import type { Machine } from "./places.ts";

/** Each check asks podman or Bacula, and a small control VM has the Director's work to do beside them. */
export const checksAtOnce = 4;

/** Whether what was deployed does its work: each service is asked for what it is there for. */
export function smokeChecks(
  machine: Machine,
  bconsole: Bconsole,
  sources: BacularisSources,
): readonly Check[] {
  return [
    { name: "director", run: () => director(bconsole) },
    { name: "catalog", run: () => catalog(machine) },
    { name: "storage", run: () => storage(bconsole) },
    { name: "storage-writable", run: () => storageWritable(machine) },
    { name: "api", run: () => apiWorks(machine, sources, { defaults: true }) },
    { name: "web-https", run: () => webAnswers(machine, sources) },
    { name: "web-login", run: () => webLogin(machine, sources, { defaults: true }) },
  ];
}

/**
 * Waits until all containers are healthy.
 *
 * @throws {VmbError} `deploy.unhealthy`
 */
export async function waitForHealth(
  machine: Machine,
  { timeoutMs = 180_000, signal }: {
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<void> {
  const { clock } = machine;
  const end = clock.monotonic() + timeoutMs;
  for (;;) {
    const sick: (readonly [ServiceName, ContainerState | undefined])[] = [];
    // One after the other: a small machine is busy enough with the start of five containers.
    for (const name of services) {
      const state = await containerState(machine, name);
      if (state?.health !== "healthy") sick.push([name, state]);
    }
    const [first] = sick;
    if (first === undefined) return;
    if (clock.monotonic() >= end) {
      const list = sick.map(([name, state]) => `${name} is ${state?.health || "not there"}`);
      throw new VmbError(`Not all containers became healthy: ${list.join(", ")}`, {
        code: "deploy.unhealthy",
        hint: `Look at: journalctl -u ${first[0]}`,
      });
    }
    await clock.sleep(2000, signal);
  }
}

export async function director(bconsole: Bconsole) {
  const version = await directorVersion(bconsole);
  return version === undefined
    ? failed("the Director does not say its version", "Look at: journalctl -u vmb-director")
    : passed(`Director ${version}`);
}

export async function catalog(machine: Pick<Machine, "processes">) {
  const version = await catalogVersion(machine);
  return version === undefined
    ? failed("the catalog has no tables", "Run: vmb ctl deploy")
    : passed(`version ${version}`);
}

export async function storage(bconsole: Bconsole) {
  const { storage, storageDaemon } = resourceNames;
  const [status = ""] = await bconsole.say(consoleLine("status", ["storage", storage]));
  const version = daemonVersion(status, storageDaemon);
  return version === undefined
    ? failed(
      "the Storage Daemon gives the Director no answer",
      "Look at: journalctl -u vmb-storage; the Director reaches it by control.host of site.yaml",
    )
    : passed(`Storage Daemon ${version}`);
}

/** How long the share may take, in milliseconds; a busy machine takes many seconds for the exec alone. */
const execTimeoutMs = 120_000;

/** Where the volumes lie, in the container. */
const archive = "/var/lib/bacula/archive";

export async function storageWritable({ processes }: Pick<Machine, "processes">) {
  const probe = `${archive}/.vmb-probe`;
  const argv = inContainer(
    "vmb-storage",
    ...["dd", "if=/dev/zero", `of=${probe}`, "bs=512", "count=1", "conv=fsync"],
  );
  const done = await processes.run(argv, { timeoutMs: execTimeoutMs });
  if (done.code !== 0) {
    throw commandFailed(
      done,
      "The share must be mounted read-write, and let this machine's root write",
    );
  }
  await processes.run(inContainer("vmb-storage", "rm", "-f", probe), { timeoutMs: execTimeoutMs });
  return passed("a volume can be written on the share");
}
