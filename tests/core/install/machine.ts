import { applyInstall } from "../../../core/install/apply.ts";
import {
  assertAnswered,
  changesAnything,
  type InstallOptions,
  planInstall,
} from "../../../core/install/install.ts";
import type { InstallPlan } from "../../../core/install/plan.ts";
import { planUninstall } from "../../../core/install/uninstall.ts";
import { realSystem, type System } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

/** A folder that stands in for the root of a machine, and a small program to install there. */
export interface Machine extends AsyncDisposable {
  readonly root: string;
  readonly system: System;
  /** The program that runs, and is installed. */
  readonly program: string;
  plan(options?: Partial<InstallOptions>): Promise<InstallPlan>;
  /** Plans and applies; whatever was told meanwhile is in `told`. */
  install(options?: Partial<InstallOptions>): Promise<Installed>;
  uninstall(answers?: InstallOptions["answers"]): Promise<Installed>;
  read(path: string): Promise<string>;
  write(path: string, text: string, mode?: number): Promise<void>;
  /** `<mode> <path> <content, target or kind>` of everything, sorted by path. */
  listing(): Promise<readonly string[]>;
}

export interface Installed {
  readonly plan: InstallPlan;
  readonly changed: boolean;
  readonly told: readonly string[];
  readonly setAside: string | undefined;
}

export async function openMachine(changes: Partial<System> = {}): Promise<Machine> {
  const folder = await temporaryFolder();
  const root = `${folder.path}/root`;
  const program = `${folder.path}/vmb`;
  await Deno.mkdir(root);
  await Deno.writeTextFile(program, "#!/bin/sh\necho first\n", { mode: 0o755 });
  const system: System = {
    ...realSystem,
    host: { ...realSystem.host, programFile: () => program },
    ...changes,
  };
  const planWith = (options: Partial<InstallOptions> = {}) =>
    planInstall(system, {
      ...{ root, from: undefined, timers: undefined, answers: new Map() },
      ...options,
    });
  const apply = async (plan: InstallPlan): Promise<Installed> => {
    const told: string[] = [];
    const setAside = await applyInstall({
      system,
      plan,
      report: (event) => {
        if ("text" in event) told.push(event.text);
      },
    });
    return { plan, changed: changesAnything(plan), told, setAside };
  };
  return {
    root,
    system,
    program,
    plan: planWith,
    async install(options) {
      const plan = await planWith(options);
      assertAnswered(plan);
      return await apply(plan);
    },
    async uninstall(answers = new Map()) {
      const stateFolder = `${root}/var/lib/vm-backup/state`;
      const plan = await planUninstall(system, { root, answers, stateFolder });
      assertAnswered(plan);
      return await apply(plan);
    },
    read: (path) => Deno.readTextFile(root + path),
    async write(path, text, mode = 0o644) {
      await Deno.mkdir(root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(root + path, text);
      await Deno.chmod(root + path, mode);
    },
    listing: () => listing(root),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function listing(root: string, folder = ""): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(root + folder)) {
    const path = `${folder}/${name}`;
    const info = await Deno.lstat(root + path);
    const mode = ((info.mode ?? 0) & 0o7777).toString(8);
    if (info.isSymlink) lines.push(`link ${path} ${await Deno.readLink(root + path)}`);
    else if (info.isFile) lines.push(`${mode} ${path} ${await Deno.readTextFile(root + path)}`);
    else lines.push(`${mode} ${path}/`, ...await listing(root, path));
  }
  return lines.sort((a, b) => a.split(" ")[1]! < b.split(" ")[1]! ? -1 : 1);
}
