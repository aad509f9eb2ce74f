import type { Manifest } from "../../core/repository/manifest.ts";
import { mountOf } from "../../core/repository/mount.ts";
import type { Verification } from "../../core/repository/verify.ts";
import { toVmbError, VmbError } from "../../core/error.ts";
import { formatBytes } from "../../core/format/bytes.ts";
import { formatDuration } from "../../core/format/duration.ts";
import { systemClock } from "../../core/sys/clock.ts";
import { openSite, type Running, type Site } from "../../tests/e2e/site.ts";
import { createGuest, type Guest } from "../../tests/lab/guest.ts";
import { buildGuestImage } from "../../tests/lab/guest_image.ts";
import { type Lab, openLab } from "../../tests/lab/lab.ts";
import { readRecords } from "../../tests/lab/records.ts";
import { drawParts, startSteps, type Steps } from "./steps.ts";
import { tracesOf } from "./traces.ts";

/**
 * Does the main job on a VM that is made for it and thrown away: a guest that never stops writing numbered
 * records is backed up, the backup is verified, and a copy of it is started to see what it holds. The
 * program is the one that VMB_BIN names, else the sources.
 */
async function demo(lab: Lab, steps: Steps): Promise<void> {
  steps.say("\nvmb backs up a VM while it works, and proves the backup\n");
  await steps.run(
    "kernel",
    () => buildGuestImage(),
    () => "Linux and a few programs, for a tiny VM",
  );
  const { site, guest } = await steps.run(
    "prepare",
    () => prepare(lab),
    () => "a private libvirt, and a VM with 64 MiB on its disk",
  );
  const { version, vmb } = programOf(site);
  await steps.run("program", version, (text) => text.trim());
  await steps.run(
    "start",
    async () => {
      await guest.start();
      await guest.waitForAgent();
      await guest.waitForConsole(/VMB-HEARTBEAT 1/);
    },
    () => "the VM runs and writes one numbered record after another",
  );
  await steps.run(
    "check",
    () => vmb<{ checks: unknown[] }>("check", guest.name),
    ({ checks }) => `vmb hv check: all ${checks.length} checks passed`,
  );
  const { folder, manifest } = await steps.run(
    "backup",
    () => vmb<{ folder: string; manifest: Manifest }>("backup", guest.name, "--method", "quiesce"),
    ({ manifest: { frozenMs, bytesWritten } }) =>
      `vmb hv backup: ${formatBytes(bytesWritten)}; the VM was frozen for ${frozenMs} ms`,
  );
  await steps.run(
    "verify",
    () => vmb<{ verifications: [Verification] }>("verify", guest.name),
    ({ verifications: [{ files, bytes }] }) =>
      `vmb hv verify: ${files} files, ${formatBytes(bytes)}, as their SHA-256 say`,
  );
  const image = `${folder}/${manifest.disks[0]?.file}`;
  await steps.run(
    "test boot",
    () => bootCopy(site, image),
    (count) => `a copy of it, without network: records 1 to ${count}, unbroken`,
  );
  await steps.run(
    "compare",
    () => compare(guest, image, manifest),
    ({ last, gapMs, live }) =>
      `record ${last}: ${gapMs} ms before the thaw; the VM is at ${live} now`,
  );
  const total = Object.values(manifest.seconds).reduce((sum, each) => sum + each, 0);
  steps.say(`\n  Where the ${formatDuration(total * 1000)} of the backup went:`);
  steps.say(`${drawParts(manifest.seconds)}\n`);
}

async function prepare(lab: Lab): Promise<{ readonly site: Site; readonly guest: Guest }> {
  const site = await openSite(lab);
  const mount = mountOf(site.root, await Deno.readTextFile("/proc/self/mountinfo"));
  await site.configure({ BACKUP_FSTYPES: mount?.type ?? "" });
  const guest = await createGuest(site.hypervisor, {
    name: "demo",
    exactName: site.hypervisor.kind !== "system",
    sizeMiB: 256,
    dataMiB: 64,
  });
  return { site, guest };
}

/** Runs vmb, and sees to it that no run outlives the lab. */
function programOf({ lab, start }: Site) {
  let running: Running | undefined;
  lab.defer(async () => {
    running?.signal("SIGTERM");
    await running?.ended;
  });
  const run = async (...args: readonly string[]): Promise<string> => {
    running = start(args, { VMB_UNPACK_DIR: `${lab.folder}/program` });
    const { code, stdout, stderr } = await running.ended;
    running = undefined;
    if (code === 0) return stdout;
    throw new VmbError(`Command 'vmb ${args.join(" ")}' ended with status ${code}:\n${stderr}`, {
      code: "demo.vmb",
    });
  };
  return {
    version: () => run("--version"),
    vmb: async <T>(...args: readonly string[]): Promise<T> =>
      JSON.parse(await run("hv", ...args, "--json")),
  };
}

/** Starts a VM on a copy of the image, and returns the count of records that it finds on its disk. */
async function bootCopy(site: Site, image: string): Promise<number> {
  await using guest = await createGuest(site.hypervisor, {
    name: "demo-copy",
    exactName: site.hypervisor.kind !== "system",
    mode: "check",
    kind: "no-agent",
  });
  await Deno.copyFile(image, guest.disks[0]?.path ?? "");
  await guest.start();
  const [, first, last, count, broken] = await guest.waitForConsole(
    /VMB-RECORDS first=(\d*) last=(\d*) count=(\d+) broken=(.*)|VMB-NO-DATA/,
  );
  if (first === "1" && last === count && broken?.trim() === "no") return Number(count);
  throw new VmbError(
    `Records of the copy are no unbroken row: first ${first}, last ${last}, count ${count}`,
    { code: "demo.records" },
  );
}

/** How far from the thaw the last record may be: a busy machine keeps an emulated guest waiting. */
const tolerableGapMs = 5000;

/** Compares the copy with what the VM wrote: it holds all records up to the freeze, and none after. */
async function compare(
  guest: Guest,
  image: string,
  manifest: Manifest,
): Promise<{ readonly last: number; readonly gapMs: number; readonly live: number }> {
  const guestTime = await guest.askAgent("guest-get-time") as number / 1e6;
  const guestAheadMs = guestTime - Date.now();
  await guest.destroy();
  const live = await readRecords(guest.disks[0]?.path ?? "");
  const copy = await readRecords(image);
  const gapMs = Math.round(Date.parse(manifest.instant) + guestAheadMs - copy.lastAt);
  const whole = copy.broken === undefined && live.broken === undefined && !copy.replayed;
  if (whole && copy.last <= live.last && gapMs >= 0 && gapMs < tolerableGapMs) {
    return { last: copy.last, gapMs, live: live.last };
  }
  throw new VmbError(
    `Copy ends with record ${copy.last} (${copy.broken ?? "whole"}) ${gapMs} ms before the thaw, ` +
      `the VM is at ${live.last} (${live.broken ?? "whole"})`,
    { code: "demo.records" },
  );
}

async function main(): Promise<void> {
  const steps = startSteps();
  let interrupted = false;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (!interrupted) steps.say(`${signal}: removing what was made`);
      interrupted = true;
      steps.silence();
    });
  }
  const begun = performance.now();
  const lab = await openLab();
  let failure: unknown;
  const ended = demo(lab, steps).catch((error) => void (failure = error));
  // The step that was interrupted has files of its own to remove, which its dying programs let it do.
  lab.defer(() => interrupted ? Promise.race([ended, systemClock.sleep(2000)]) : undefined);
  await ended;
  try {
    await steps.run("clean up", () => removeAll(lab), () => "no process, mount or file is left");
  } catch (error) {
    failure ??= error;
  }
  // A signal has its own exit code, and the lab sees to it.
  if (interrupted) return;
  if (failure === undefined) {
    steps.say(`\nThe demo passed in ${formatDuration(performance.now() - begun)}.`);
    return;
  }
  const { message, hint } = toVmbError(failure);
  console.error(`\nThe demo failed: ${message}${hint === undefined ? "" : `\n  hint: ${hint}`}`);
  Deno.exit(1);
}

async function removeAll(lab: Lab): Promise<void> {
  await lab[Symbol.asyncDispose]();
  const traces = await tracesOf(lab);
  if (traces.length === 0) return;
  throw new VmbError(`Traces of the demo are left:\n${traces.join("\n")}`, {
    code: "demo.traces",
  });
}

await main();
