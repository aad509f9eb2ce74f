/**
 * The life of a control VM that systemd booted, by the built program and with stand-in images: deployed, used, killed,
 * broken and mended, rebooted, lost, and made anew from its repository and secrets. It is its own hypervisor.
 * Prints what was done and how long it took. Words choose chapters: `deno task lab:ctl kills reboot`. `--images site`
 * takes the images that the site.yaml of `vmb ctl init` names, from their registries, in place of the stand-ins.
 * `LAB_CPUS=1` leaves a core of a small machine alone; it takes twice the time. `LAB_VERBOSE=1` shows what the deploys
 * say.
 */
import { fileURLToPath } from "node:url";
import { breakAndMend } from "./control_faults.ts";
import {
  change,
  hypervisorDown,
  killEach,
  reboot,
  restartFileDaemon,
  save,
  setUp,
  takeOver,
  tearDown,
} from "./control_life.ts";
import { usePages } from "./control_pages.ts";
import { type ControlVm, labImages, makeShare, openControlVm, siteImages } from "./control_vm.ts";

const vmb = fileURLToPath(new URL("../../dist/vmb", import.meta.url));
const start = performance.now();
/** What may happen to a control VM that was set up. */
const chapters: Readonly<Record<string, (vm: ControlVm) => Promise<void>>> = {
  pages: (vm) => usePages(vm, timed),
  change: (vm) => change(vm, timed),
  "file-daemon": (vm) => restartFileDaemon(vm, timed),
  down: (vm) => hypervisorDown(vm, timed),
  kills: (vm) => killEach(vm, timed),
  faults: (vm) => breakAndMend(vm, timed),
  reboot: (vm) => reboot(vm, timed),
};
/** Made anew after the others. */
const lost = "lost";

await main();

async function main(): Promise<void> {
  const known = [...Object.keys(chapters), lost];
  const words = Deno.args.join(" ").replace(/--images site\b/, "").split(" ").filter(Boolean);
  const images = words.length < Deno.args.length ? await siteImages() : labImages;
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`No chapter "${unknown}": ${known.join(", ")}`);
  const chosen = words.length === 0 ? known : words;
  await using share = await makeShare();
  const cpus = Number(Deno.env.get("LAB_CPUS") ?? 2);
  const open = () => openControlVm({ vmb, share: share.path, cpus, images });
  const saved = await inVm(await timed("boot", open), async (vm) => {
    await setUp(vm, timed);
    for (const [name, chapter] of Object.entries(chapters)) {
      if (chosen.includes(name)) await chapter(vm);
    }
    return await save(vm);
  });
  if (chosen.includes(lost)) {
    const begun = performance.now();
    print("the VM is lost");
    await inVm(await timed("boot of another VM", open), async (vm) => {
      await takeOver(vm, saved, timed);
      const minutes = (performance.now() - begun) / 60_000;
      print(`from nothing to jobs that run again: ${minutes.toFixed(1)} min`);
      await tearDown(vm, timed);
    });
  }
  print("done");
}

/** Does something in a VM that is lost afterwards; shows what the VM says where it fails. */
async function inVm<Result>(
  vm: ControlVm,
  work: (vm: ControlVm) => Promise<Result>,
): Promise<Result> {
  await using owned = vm;
  try {
    return await work(owned);
  } catch (error) {
    await Deno.stderr.write(new TextEncoder().encode(
      (await vm.attempt("podman ps -a; journalctl -b --no-pager -n 120 -p 5; free -m")).stdout,
    ));
    throw error;
  }
}

async function timed<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const begun = performance.now();
  const result = await work();
  print(`${what}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  return result;
}

function print(text: string): void {
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  console.log(`${minutes.padStart(5)} min  ${text}`);
}
