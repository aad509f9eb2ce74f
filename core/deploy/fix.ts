import type { CheckResult } from "../checks/check.ts";
import { toVmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { type ServiceName, services } from "../podman/service.ts";
import { runOk } from "../sys/process.ts";
import { assertIdle } from "./apply.ts";
import type { HealthContext } from "./health.ts";
import { releaseDeadLocks } from "./health_locks.ts";
import { changeUnit } from "./units.ts";

/** One thing that fix does. */
export type Mend =
  | { readonly kind: "mount"; readonly because: string }
  | { readonly kind: "migrate"; readonly because: string }
  | { readonly kind: "release-locks"; readonly because: string }
  | { readonly kind: "restart"; readonly service: ServiceName; readonly because: string };

export interface MendOutcome {
  readonly mend: Mend;
  readonly done: boolean;
  /** What was done, or why it was not. */
  readonly detail: string;
}

/** Which service is restarted when a check of it fails though its container seems well. */
const behind: Readonly<Record<string, ServiceName>> = {
  director: "vmb-director",
  catalog: "vmb-postgres",
  storage: "vmb-storage",
  "storage-writable": "vmb-storage",
  api: "vmb-api",
  "web-https": "vmb-web",
};

/** While one of these is down, what is asked through it says nothing of others. */
const askedThrough: Readonly<Record<string, readonly string[]>> = {
  storage: ["director", "vmb-director"],
  api: ["director", "vmb-director", "catalog", "vmb-postgres", "vmb-web"],
};

/** Chooses what to do about the findings of a check, in the order in which it helps; pure. */
export function planMends(results: readonly CheckResult[]): readonly Mend[] {
  const found = new Map(results.map((result) => [result.name, result]));
  const failure = (name: string) => {
    const result = found.get(name);
    return result?.outcome === "failed" ? result : undefined;
  };
  const mends: Mend[] = [];
  const restarts = new Map<ServiceName, string>();
  const share = failure("share");
  if (share !== undefined) {
    mends.push({ kind: "mount", because: share.detail });
    // A container keeps the mount that it was started with.
    for (const service of ["vmb-director", "vmb-storage"] as const) {
      restarts.set(service, "it was started without the share");
    }
  }
  const runtime = failure("runtime");
  if (runtime !== undefined) {
    mends.push({ kind: "migrate", because: runtime.detail });
    for (const service of services) restarts.set(service, "its container is made anew by crun");
  }
  for (const service of services) {
    const result = failure(service);
    if (result !== undefined && !restarts.has(service)) restarts.set(service, result.detail);
  }
  for (const [check, service] of Object.entries(behind)) {
    const result = failure(check);
    if (result === undefined || restarts.has(service)) continue;
    const blind = askedThrough[check]?.some((name) => failure(name) !== undefined) ?? false;
    if (!blind) restarts.set(service, `${check}: ${result.detail}`);
  }
  for (const service of services) {
    const because = restarts.get(service);
    if (because !== undefined) mends.push({ kind: "restart", service, because });
  }
  const locks = found.get("locks");
  if (locks?.outcome === "warning") mends.push({ kind: "release-locks", because: locks.detail });
  return mends;
}

/** Does what was planned, each whether or not the one before helped. */
export async function applyMends(
  context: HealthContext,
  mends: readonly Mend[],
  { report, signal }: { readonly report: Report; readonly signal?: AbortSignal | undefined },
): Promise<readonly MendOutcome[]> {
  const outcomes: MendOutcome[] = [];
  for (const mend of mends) {
    signal?.throwIfAborted();
    report({ kind: "info", text: `${showMend(mend)}: ${mend.because}` });
    try {
      outcomes.push({ mend, done: true, detail: await applyMend(context, mend, signal) });
    } catch (thrown) {
      signal?.throwIfAborted();
      const { message, hint } = toVmbError(thrown);
      report({ kind: "error", text: message, hint });
      outcomes.push({ mend, done: false, detail: message });
    }
  }
  return outcomes;
}

/** A mend in words, as it is about to be done. */
export function showMend(mend: Mend): string {
  switch (mend.kind) {
    case "mount":
      return "Mount the share";
    case "migrate":
      return "Run podman system migrate --new-runtime=crun";
    case "release-locks":
      return "Release locks of dead runs";
    case "restart":
      return `Restart ${mend.service}`;
  }
}

async function applyMend(
  { system, bconsole, places, sources: { site } }: HealthContext,
  mend: Mend,
  signal: AbortSignal | undefined,
): Promise<string> {
  switch (mend.kind) {
    case "mount":
      await runOk(system.processes, ["mount", site.nfs.mount], { timeoutMs: 120_000, signal });
      return "mounted";
    case "migrate": {
      await assertIdle(
        bconsole,
        services.map((service) => ({ service, action: "restart" })),
      );
      const migrate = ["podman", "system", "migrate", "--new-runtime=crun"] as const;
      await runOk(system.processes, migrate, { timeoutMs: 600_000, signal });
      return "migrated";
    }
    case "release-locks": {
      const released = await releaseDeadLocks(system, site);
      return released.length === 0
        ? "none: their runs live, on the hypervisors that are named"
        : released.join("; ");
    }
    case "restart": {
      await assertIdle(bconsole, [{ service: mend.service, action: "restart" }]);
      await changeUnit(system, places, "restart", `${mend.service}.service`, { signal });
      return "healthy again";
    }
  }
}
