import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Guest } from "../lab/guest.ts";
import { type Hypervisor, type HypervisorKind, startHypervisor } from "../lab/hypervisor.ts";
import type { Lab } from "../lab/lab.ts";

/** How a run of vmb ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of vmb that goes on. */
export interface Running {
  readonly pid: number;
  /** Resolves when a line of stderr matches; rejects when vmb ends before. */
  until(pattern: RegExp): Promise<void>;
  signal(name: Deno.Signal): void;
  readonly ended: Promise<Ended>;
}

/** A hypervisor with vmb on it: its configuration, its share, and its local folders. */
export interface Site {
  readonly lab: Lab;
  readonly hypervisor: Hypervisor;
  readonly root: string;
  readonly scratch: string;
  readonly state: string;
  readonly logs: string;
  /** What a vmb that somebody else starts must have in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Replaces settings of vm-backup.conf; what is not named keeps its value. */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  /** Replaces vm-list.yaml, which is JSON here: YAML takes it. */
  listVms(vms: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  vmb(...args: readonly string[]): Promise<Ended>;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Running;
}

export const hypervisorName = "hv1";

/**
 * Opens a site on a hypervisor of its own.
 *
 * @param options with `sameNetwork`, vmb runs where the hypervisor's bridges are
 */
export async function openSite(
  lab: Lab,
  options: { readonly sameNetwork?: boolean; readonly kind?: HypervisorKind } = {},
): Promise<Site> {
  const hypervisor = await startHypervisor(lab, options.kind);
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: "site-" });
  await Deno.chmod(folder, 0o711);
  const root = `${folder}/share`;
  const config = `${folder}/config`;
  for (const path of [root, config]) await Deno.mkdir(path);
  const folders = {
    scratch: `${folder}/scratch`,
    state: `${folder}/state`,
    logs: `${folder}/logs`,
  };
  let settings: Record<string, string> = {
    HYPERVISOR_NAME: hypervisorName,
    BACKUP_ROOT: root,
    BACKUP_FSTYPES: `"ext2 ext3 ext4 xfs btrfs overlay tmpfs"`,
    BACKUP_LOCAL: "yes",
    LIBVIRT_URI: hypervisor.uri,
    SCRATCH_DIR: folders.scratch,
    STATE_DIR: folders.state,
    LOG_DIR: folders.logs,
    MIN_FREE_GB: "1",
    FREEZE_TIMEOUT_SECONDS: "10",
    SHARE_TIMEOUT_SECONDS: "5",
  };
  const site: Site = {
    lab,
    hypervisor,
    root,
    ...folders,
    env: { ...hypervisor.env, VMB_CONFIG_DIR: config },
    async configure(changes) {
      settings = { ...settings, ...changes };
      const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
      await Deno.writeTextFile(`${config}/vm-backup.conf`, lines.join(""), { mode: 0o600 });
    },
    listVms: (vms) => Deno.writeTextFile(`${config}/vm-list.yaml`, JSON.stringify({ vms })),
    vmb: (...args) => site.start(args).ended,
    start: (args, env = {}) =>
      startVmb(
        args,
        { ...site.env, ...env },
        options.sameNetwork ? hypervisor.networkOf : undefined,
      ),
  };
  await site.configure({});
  await site.listVms([]);
  return site;
}

/** The program under test: the one that VMB_BIN names, else the sources. */
export function vmbArgv(): readonly string[] {
  const built = Deno.env.get("VMB_BIN");
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  return built ? [built] : [Deno.execPath(), "run", "--allow-all", main];
}

function startVmb(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  networkOf: number | undefined,
): Running {
  const inside = networkOf === undefined ? [] : ["nsenter", `--net=/proc/${networkOf}/ns/net`];
  const [program, ...before] = [...inside, ...vmbArgv()];
  const child = new Deno.Command(program ?? "", {
    args: [...before, ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  const watchers = new Set<() => void>();
  const wake = () => watchers.forEach((watcher) => watcher());
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += text;
      wake();
    }
  })();
  const output = new Response(child.stdout).text();
  let over = false;
  const ended = (async () => {
    const status = await child.status;
    await reading;
    over = true;
    wake();
    return { code: status.code, stdout: await output, stderr };
  })();
  return {
    pid: child.pid,
    ended,
    signal: (name) => child.kill(name),
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (pattern.test(stderr)) resolve();
          else if (over) reject(new Error(`vmb ended before ${pattern}:\n${stderr}`));
          else return;
          watchers.delete(look);
        };
        watchers.add(look);
        look();
      }),
  };
}

/** Asserts that a run ended with a code, and shows what it said if not. */
export function assertEnded(ended: Ended, code: number): void {
  assert.equal(
    ended.code,
    code,
    `exit ${ended.code}, wanted ${code}\n${ended.stdout}${ended.stderr}`,
  );
}

/** Asserts that a domain is as it was before any backup: own disks, no job, nothing frozen, no leftovers. */
export async function assertUndisturbed(site: Site, guest: Guest): Promise<void> {
  const { virsh } = site.hypervisor;
  const state = await guest.state();
  for (const view of state === "running" ? [[], ["--inactive"]] : [["--inactive"]]) {
    const listing = await virsh("domblklist", ...view, "--details", "--domain", guest.name);
    for (const disk of guest.disks) {
      assert.ok(listing.includes(disk.path), `${disk.target} is not on ${disk.path}:\n${listing}`);
    }
  }
  if (state === "running") {
    assert.match(await virsh("domjobinfo", "--domain", guest.name), /None/);
    if (guest.kind !== "no-agent") {
      assert.equal(await guest.askAgent("guest-fsfreeze-status"), "thawed");
    }
  }
  assert.deepEqual(await names(site.scratch), [], "scratch files are left");
  assert.deepEqual(await names(`${site.state}/journal`), [], "a journal is left");
  assert.deepEqual(await names(`${site.state}/runs`), [], "staging files are left");
  assert.deepEqual(await names(`${site.state}/live`), [], "a run is still announced");
  const folder = `${site.root}/${hypervisorName}/${guest.name}`;
  const partials = (await names(folder)).filter((name) => name.startsWith("."));
  assert.deepEqual(partials, [], "a partial backup is left");
  assert.deepEqual(
    await processesNaming(site.scratch),
    [],
    "a process still works in the scratch folder",
  );
}

export async function names(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Command lines of image servers and virsh processes that name a path below `folder`. */
async function processesNaming(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await names("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const argv = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    // A QEMU that was started on an overlay keeps naming it after the pivot.
    if (/^[^\0]*(qemu-nbd|virsh)\0/.test(argv) && argv.includes(`${folder}/`)) {
      found.push(argv.replaceAll("\0", " "));
    }
  }
  return found;
}
