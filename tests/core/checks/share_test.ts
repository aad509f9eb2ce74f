import assert from "node:assert/strict";
import { type CheckResult, runChecks } from "../../../core/checks/check.ts";
import { shareChecks } from "../../../core/checks/share.ts";
import type { Settings } from "../../../core/config/settings.ts";
import { VmbError } from "../../../core/error.ts";
import type { Argv, Completed } from "../../../core/sys/process.ts";
import { realSystem } from "../../../core/sys/system.ts";

const root = "21 1 8:1 / / rw - xfs /dev/sda1 rw\n";
const share = (options = "rw") => `${root}30 21 0:51 / /mnt/b ${options} - nfs4 nas:/x ${options}`;
const id = "0123456789abcdef0123456789abcdef";

/** Runs the checks on a share whose writes end as said; `hang` is one that never does. */
async function check(
  { mountinfo, write, settings = {}, marker }: {
    readonly mountinfo: string;
    readonly write?: Error | "hang";
    readonly settings?: Partial<Settings>;
    readonly marker?: string;
  },
): Promise<readonly CheckResult[]> {
  const run = (argv: Argv): Promise<Completed> =>
    write === "hang"
      ? Promise.reject(new VmbError("late", { code: "process.timeout" }))
      : Promise.resolve({ argv, code: 0, stdout: "1000 1048576\n", stderr: "" });
  const nothing = () => Promise.resolve();
  const files = {
    ...realSystem.files,
    readText: (path: string) => Promise.resolve(path.startsWith("/proc/") ? mountinfo : marker!),
    inspect: () => Promise.resolve(marker === undefined ? undefined : { kind: "file" } as never),
    realPath: (path: string) => Promise.resolve(path),
    makeFolder: nothing,
    remove: nothing,
    write: () =>
      write === undefined
        ? nothing()
        : write === "hang"
        ? new Promise<void>(() => {})
        : Promise.reject(write),
  };
  const context = {
    system: { ...realSystem, files, processes: { ...realSystem.processes, run } },
    settings: {
      backupRoot: "/mnt/b",
      backupFstypes: ["nfs4", "xfs"],
      backupLocal: false,
      backupShareId: undefined,
      shareTimeoutSeconds: 5,
      ...settings,
    } as unknown as Settings,
  };
  return await runChecks(shareChecks(context, 100 * 1024 ** 2), () => {});
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code} (os error 1)`), { code });
}

Deno.test("shareChecks say one cause once", async () => {
  const table: readonly (readonly [
    string,
    Parameters<typeof check>[0],
    readonly [string, string, string],
    RegExp,
  ])[] = [
    ["all is well", { mountinfo: share() }, ["ok", "ok", "ok"], /^nas:\/x \(nfs4\) on \/mnt\/b$/],
    [
      "not mounted, on a disk of an accepted type",
      { mountinfo: root },
      ["failed", "skipped", "skipped"],
      /the share is not mounted$/,
    ],
    [
      "read-only",
      { mountinfo: share("ro"), write: failure("EROFS") },
      ["failed", "skipped", "ok"],
      /mounted read-only/,
    ],
    [
      "it hangs",
      { mountinfo: share(), write: "hang", settings: { shareTimeoutSeconds: 0.02 } },
      ["ok", "failed", "skipped"],
      /nas/,
    ],
    [
      "it takes no write",
      { mountinfo: share(), write: failure("EACCES") },
      ["ok", "failed", "ok"],
      /nas/,
    ],
    [
      "another share",
      {
        mountinfo: share(),
        settings: { backupShareId: id },
        marker: JSON.stringify({ id: id.replace("0", "f"), site: "lab" }),
      },
      ["failed", "skipped", "skipped"],
      /is the share f.* of site "lab"/,
    ],
    [
      "an empty disk in its place",
      { mountinfo: share(), settings: { backupShareId: id } },
      ["failed", "skipped", "skipped"],
      /has no marker/,
    ],
    [
      "a local folder that is wanted",
      { mountinfo: root, settings: { backupLocal: true } },
      ["ok", "ok", "ok"],
      /^"\/mnt\/b" is a folder of this machine .* is lost with the machine$/,
    ],
  ];
  for (const [what, given, outcomes, detail] of table) {
    const results = await check(given);
    assert.deepEqual(results.map(({ outcome }) => outcome), outcomes, what);
    assert.match(results[0]?.detail ?? "", detail, what);
  }
});

Deno.test("shareChecks give a hint where no share is named, and fail for nothing", async () => {
  const [any] = await check({ mountinfo: share() });
  assert.match(any?.hint ?? "", /vmb hv init-share$/);
  const marker = JSON.stringify({ id, site: "lab" });
  const [named] = await check({ mountinfo: share(), settings: { backupShareId: id }, marker });
  assert.deepEqual([named?.hint, named?.detail], [
    undefined,
    `nas:/x (nfs4) on /mnt/b, the share ${id}`,
  ]);
});
