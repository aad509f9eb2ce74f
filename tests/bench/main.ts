import { parseArgs } from "node:util";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { createGuest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { systemHypervisor } from "../lab/system_hypervisor.ts";
import { type Contender, contenders, type Copy } from "./contenders.ts";
import { makeDataImage } from "./data_image.ts";
import { mountRatedShare, whyNoRatedShare } from "./rated_share.ts";
import { peakMibWanted, type Result, showProfile, showPromises, showTimes } from "./report.ts";
import { measureStart } from "./start_time.ts";
import { showWithoutSha } from "./without_sha.ts";
import { findVmb } from "./vmb_program.ts";

const usage = `Compares vmb with its peers on one image, in one run.

  --data-gib N   random data on the disk (default 4; the disk is twice as large)
  --runs N       measured rounds, after one that is compared byte by byte (default 5)
  --vmb PATH     a built vmb (default dist/vmb when there is one, else the sources)
  --rate N       MB/s of the slow share, in each direction (default 100)
  --only A,B     contenders: vmb, vmb-verified, nbdcopy, convert, push, virtnbdbackup, vmb-zstd,
                 convert-zstd, vmb-rated, vmb-rated-verified

Times are printed, and judge nothing: the exit status only tells whether all copies were right.
`;

const { values } = parseArgs({
  options: {
    "data-gib": { type: "string", default: "4" },
    runs: { type: "string", default: "5" },
    rate: { type: "string", default: "100" },
    vmb: { type: "string" },
    only: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(usage);
  Deno.exit();
}
const gibibyte = 1024 ** 3;
const dataBytes = Math.round(Number(values["data-gib"]) * 16) * gibibyte / 16;
const sizeBytes = 2 * dataBytes;
const runs = Number(values.runs);

await using lab = await openLab();
const hypervisor = await systemHypervisor(lab);
const vmb = await findVmb(values.vmb ?? await builtVmb());
const guest = await createGuest(hypervisor, { name: "bench", workload: "idle" });
const source = guest.disks[0]?.path ?? "";
console.log(`${vmb.version}: making ${dataBytes / gibibyte} GiB of data`);
await makeDataImage(source, { sizeBytes, dataBytes });
await guest.start();
await guest.waitForAgent();

const obstacle = await whyNoRatedShare();
const rated = obstacle === undefined
  ? {
    path: await mountRatedShare(lab, {
      bytesPerSecond: Number(values.rate) * 1_000_000,
      sizeBytes: Math.round(1.2 * dataBytes) + gibibyte,
    }),
  }
  : { obstacle };
const chosen = await chooseContenders();
const results = new Map<Contender, Copy[]>(chosen.map((contender) => [contender, []]));
for (let round = 0; round <= runs; round++) {
  for (const contender of chosen) {
    if (contender.once && round > 1) continue;
    const copy = await runOnce(contender, { compare: round === 0 });
    if (round > 0) results.get(contender)?.push(copy);
    console.log(`round ${round}  ${contender.text}: ${copy.seconds.toFixed(2)} s`);
  }
}
show([...results].map(([{ name, text }, copies]) => ({ name, text, copies })));
console.log(await showWithoutSha(copiesOf("vmb-verified"), dataBytes));
console.log(await measureStart(vmb, { runs: 10 }));

function copiesOf(name: Contender["name"]): readonly Copy[] {
  return [...results].find(([contender]) => contender.name === name)?.[1] ?? [];
}

async function chooseContenders(): Promise<readonly Contender[]> {
  const all = await contenders({ hypervisor, guest, vmb, rated });
  const names = values.only?.split(",");
  const wanted = all.filter(({ name, text, obstacle }) => {
    if (!(names?.includes(name) ?? true)) return false;
    if (obstacle !== undefined) console.log(`${text}: left out, for there is ${obstacle}`);
    return obstacle === undefined;
  });
  const there = await Promise.all(wanted.map(({ program }) => hasProgram(program)));
  return wanted.filter(({ program }, index) => {
    if (!there[index]) console.log(`${program} is not installed: left out`);
    return there[index];
  });
}

/** Runs a contender in a folder of its own, begun and left without anything to be written. */
async function runOnce(
  contender: Contender,
  options: { readonly compare: boolean },
): Promise<Copy> {
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: `${contender.name}-` });
  await Deno.chmod(folder, 0o777);
  await runOk(systemProcesses, ["sync"]);
  const copy = await contender.run(folder);
  if (options.compare && copy.image !== undefined) {
    const { path, format } = copy.image;
    await runOk(systemProcesses, [
      ...[
        "qemu-img",
        "compare",
        "--force-share",
        "-f",
        "qcow2",
        "-F",
        format,
        source,
        path,
      ] as const,
    ], { timeoutMs: 900_000 });
  }
  await Deno.remove(folder, { recursive: true });
  await emptyFolder(`${lab.folder}/share`);
  if ("path" in rated) await emptyFolder(rated.path);
  return copy;
}

function show(all: readonly Result[]): void {
  console.log(`\n${showTimes(all, dataBytes)}\n\n${showPromises(all)}\n`);
  for (const result of all) if (result.name.startsWith("vmb")) console.log(showProfile(result));
  const peaks = all.flatMap(({ copies }) => copies.flatMap(({ vmb }) => vmb?.usage.peakMib ?? []));
  console.log(`\npeak memory of vmb: ${Math.max(...peaks)} MiB (wanted: at most ${peakMibWanted})`);
}

async function emptyFolder(folder: string): Promise<void> {
  for (const { name } of await Array.fromAsync(Deno.readDir(folder))) {
    if (name !== "lost+found") await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
}

async function builtVmb(): Promise<string | undefined> {
  const path = new URL("../../dist/vmb", import.meta.url).pathname;
  return await Deno.stat(path).then(() => path, () => undefined);
}

async function hasProgram(program: string | undefined): Promise<boolean> {
  if (program === undefined) return true;
  const found = await systemProcesses.run([program, "--version"]).catch(() => undefined);
  return found !== undefined;
}
