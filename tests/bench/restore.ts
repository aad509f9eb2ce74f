import { parseArgs } from "node:util";
import { type Argv, runOk, systemProcesses } from "../../core/sys/process.ts";
import { createGuest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { systemHypervisor } from "../lab/system_hypervisor.ts";
import { makeDataImage } from "./data_image.ts";
import { median, secondsOf } from "./stopwatch.ts";
import { backUp, findVmb, writeConfiguration } from "./vmb_program.ts";

const { values } = parseArgs({
  options: {
    "data-gib": { type: "string", default: "4" },
    runs: { type: "string", default: "5" },
    vmb: { type: "string" },
  },
});
const gibibyte = 1024 ** 3;
const dataBytes = Math.round(Number(values["data-gib"]) * 16) * gibibyte / 16;

/** One way to bring a disk back and know that it is the one that was backed up. */
interface Contender {
  readonly text: string;
  /** Puts the disk into an empty folder; all of it is timed, to the last byte on the disk. */
  run(folder: string): Promise<unknown>;
  /** What it reads, to be dropped from the cache before. */
  readonly reads: string;
  after?(): Promise<unknown>;
}

await using lab = await openLab();
const hypervisor = await systemHypervisor(lab);
const { env, uri, virsh } = hypervisor;
const run = (...argv: Argv) => runOk(systemProcesses, argv, { env, timeoutMs: 1_800_000 });
const vmb = await findVmb(values.vmb);
const guest = await createGuest(hypervisor, { name: "bench", workload: "idle" });
const source = guest.disks[0]?.path ?? "";
console.log(`${vmb.version}: making ${dataBytes / gibibyte} GiB of data`);
await makeDataImage(source, { sizeBytes: 2 * dataBytes, dataBytes });
await guest.start();
await guest.waitForAgent();
const configFolder = await writeConfiguration(hypervisor, guest, {
  share: `${lab.folder}/share`,
  compression: "none",
});
const { outcome } = await backUp(vmb, guest, { configFolder, readBack: false, env });
const image = `${outcome.folder}/${outcome.manifest.disks[0]?.file}`;
const name = `${guest.name}-copy`;

const contenders: readonly Contender[] = [
  {
    text: "vmb hv restore",
    reads: outcome.folder,
    run: (folder) =>
      run(
        ...["env", `VMB_CONFIG_DIR=${configFolder}`, ...vmb.argv, "hv", "restore"] as const,
        ...[guest.name, "--name", name, "--image-dir", folder],
      ),
    after: () => virsh("undefine", "--domain", name),
  },
  {
    text: "sha256sum, then qemu-img convert",
    reads: outcome.folder,
    async run(folder) {
      await run("sha256sum", image);
      await run("qemu-img", "convert", "-O", "qcow2", image, `${folder}/disk.qcow2`);
      await run("sync", `${folder}/disk.qcow2`);
    },
  },
  ...await virtnbdrestore(),
];

const times = new Map(contenders.map(({ text }) => [text, [] as number[]]));
for (let round = 1; round <= Number(values.runs); round++) {
  for (const contender of contenders) {
    const folder = await Deno.makeTempDir({ dir: lab.folder });
    await run("sync");
    for (const path of await filesBelow(contender.reads)) {
      await run("dd", `if=${path}`, "iflag=nocache", "count=0", "status=none");
    }
    const seconds = await secondsOf(() => contender.run(folder));
    times.get(contender.text)?.push(seconds);
    console.log(`round ${round}  ${contender.text}: ${seconds.toFixed(2)} s`);
    await contender.after?.();
    await Deno.remove(folder, { recursive: true });
  }
}
const [ours = Number.NaN] = [...times.values()].map(median);
for (const [text, seconds] of times) {
  const middle = median(seconds);
  console.log(
    `${text.padEnd(36)} ${middle.toFixed(2).padStart(7)} s   ${(middle / ours).toFixed(2)} x`,
  );
}

async function virtnbdrestore(): Promise<readonly Contender[]> {
  const folder = `${lab.folder}/virtnbdbackup`;
  const { code } = await systemProcesses.run(["which", "virtnbdbackup"]);
  if (code !== 0) {
    console.log("virtnbdbackup is not installed: left out");
    return [];
  }
  await run("virtnbdbackup", "-U", uri, "-d", guest.name, "-l", "full", "-o", folder);
  return [{
    text: "virtnbdrestore",
    reads: folder,
    async run(target) {
      await run("virtnbdrestore", "-U", uri, "-i", folder, "-o", target);
      for (const path of await filesBelow(target)) await run("sync", path);
    },
  }];
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) found.push(`${folder}/${name}`);
  }
  return found;
}
