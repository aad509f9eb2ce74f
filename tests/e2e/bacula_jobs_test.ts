import assert from "node:assert/strict";
import { vmJobName } from "../../core/bacula/names.ts";
import { nameArgument } from "../../core/config/escaped_name.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { type BaculaSite, openBaculaSite } from "../lab/bacula_site.ts";
import { baculaTools } from "../lab/bacula_tools.ts";
import { type Attack, attackJob, attacks, withAttacks } from "../lab/rogue_director.ts";
import { waitFor } from "../lab/wait.ts";
import { names } from "./site.ts";

/** What rendered configurations do in real daemons; the program on the hypervisor is a stand-in. */
const awkward = 'wiki "old" $x 100% ü';
const list = JSON.stringify({
  vms: [
    { name: "first", hypervisor: "hv1", priority: 5 },
    { name: "web", hypervisor: "hv1", priority: 10 },
    { name: "later", hypervisor: "hv1", priority: 15 },
    { name: awkward, hypervisor: "hv1", priority: 20 },
    { name: "broken", hypervisor: "hv1", priority: 30 },
  ],
});

let site: BaculaSite;
let bin: string;
let rogue: readonly Attack[];

Deno.test.beforeAll(async () => {
  bin = await Deno.makeTempDir({ prefix: "vmb-bin-" });
  await Deno.chmod(bin, 0o755);
  await Deno.mkdir(`${bin}/outside`);
  await Deno.writeTextFile(`${bin}/other`, `#!/bin/sh\ntouch "${bin}/outside/other"\n`, {
    mode: 0o755,
  });
  await Deno.writeTextFile(`${bin}/calls`, "");
  await Deno.writeTextFile(`${bin}/vmb`, standIn, { mode: 0o755 });
  site = await openBaculaSite({
    release: "15.0.3",
    list,
    vmb: `${bin}/vmb`,
    edit(path, text) {
      if (path !== "bacula/bacula-dir.conf") return text;
      const [, launcher = ""] = /Command = "(\S+\/vmb-job) /.exec(text) ?? [];
      const [, share = ""] = /^ *File = "(.*)\/hv1\//m.exec(text) ?? [];
      const places = { launcher, share, vmb: `${bin}/vmb` };
      rogue = attacks({ ...places, other: `${bin}/other`, outside: `${bin}/outside` });
      return withAttacks(text, rogue);
    },
  });
  await Deno.writeTextFile(`${bin}/share`, site.share);
});

Deno.test.afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await Deno.remove(bin, { recursive: true });
});

/** Notes its arguments, and leaves what a backup leaves. */
const standIn = `#!/bin/sh
set -eu
echo "called:$(printf ' <%s>' "$@")"
here=$(dirname "$0")
echo "begin $3" >>"$here/calls"
trap 'echo "end $3" >>"$here/calls"' EXIT
if [ "$3" = first ]; then while [ ! -e "$here/go" ]; do sleep 0.1; done; fi
[ "$3" != broken ] || { echo "check failed: no space"; exit 6; }
vm=$3
case $vm in /*) vm='${awkward}' ;; esac
folder=$(cat "$here/share")/hv1/$vm
mkdir -p "$folder/2026-11-21-120000/configs" "$folder/.2026-11-28-120000.partial"
for name in backup-metadata.json checksums.sha256 vm.xml vm-vda.qcow2 vm-vda.blockmap configs/x.txt; do
  echo "$name" >"$folder/2026-11-21-120000/$name"
done
echo half >"$folder/.2026-11-28-120000.partial/vm.xml"
`;

Deno.test("the job of a VM runs vmb on its hypervisor, and stores what describes the backup", async () => {
  for (const vm of ["web", awkward]) {
    const job = await site.ended(await site.queue(vmJobName(vm)));
    assert.deepEqual([job.status, job.errors], ["T", 0], job.log);
    const call = [
      "hv",
      "backup",
      nameArgument(vm),
      "--level",
      "Full",
      "--job-id",
      job.id,
      "--lock-wait",
      "60",
    ];
    assert.ok(job.log.includes(`called: ${call.map((word) => `<${word}>`).join(" ")}`), job.log);
    const backup = `${site.share}/hv1/${vm}/2026-11-21-120000`;
    assert.deepEqual(await storedFiles(job.id), [
      `${backup}/backup-metadata.json`,
      `${backup}/checksums.sha256`,
      `${backup}/vm.xml`,
    ]);
    const connections = job.log.match(/Connected to .*? at .*/g) ?? [];
    assert.equal(connections.length, 3, job.log);
    for (const connection of connections) assert.match(connection, / with TLS\b/);
  }
});

Deno.test("the job of a VM hands over the level that Bacula decides", async () => {
  const job = await site.ended(await site.queue("vm-web", "level=Incremental"));
  assert.equal(job.status, "T", job.log);
  assert.match(job.log, /<--level> <Incremental>/);
});

Deno.test("jobs that wait run one at a time, in the order of their priorities", async () => {
  const first = await site.queue("vm-first");
  await waitFor(
    async () => (await Deno.readTextFile(`${bin}/calls`)).includes("begin first") || undefined,
    { what: "the first job", deadlineMs: 30_000 },
  );
  await Deno.writeTextFile(`${bin}/calls`, "");
  const jobs = [first];
  for (const vm of [awkward, "later", "web"]) jobs.push(await site.queue(vmJobName(vm)));
  await Deno.writeTextFile(`${bin}/go`, "");
  for (const job of jobs) assert.equal((await site.ended(job)).status, "T");
  assert.deepEqual((await Deno.readTextFile(`${bin}/calls`)).trim().split("\n"), [
    "end first",
    ...["web", "later", nameArgument(awkward)].flatMap((vm) => [`begin ${vm}`, `end ${vm}`]),
  ]);
});

Deno.test("a job fails with vmb, says why, and is noted by the Director", async () => {
  const job = await site.ended(await site.queue("vm-broken"));
  assert.equal(job.status, "f", job.log);
  assert.match(job.log, /ClientBeforeJob: check failed: no space/);
  const note = await Deno.readTextFile(`${site.places.work}/failed/${job.id}.json`);
  assert.deepEqual(JSON.parse(note), {
    jobId: job.id,
    job: "vm-broken",
    client: "hv1-fd",
    status: "Fatal Error",
  });
});

Deno.test("the job catalog dumps the catalog, and stores the dump with what finds it again", async () => {
  const job = await site.ended(await site.queue("catalog"));
  assert.deepEqual([job.status, job.errors], ["T", 0], job.log);
  const { director } = site.places.dumps;
  assert.ok((await storedFiles(job.id)).includes(`${director}/bacula.dump`));
  assert.match(await Deno.readTextFile(`${director}/catalog.bsr`), /Volume="vmb-catalog-\d+"/);
  const { stdout } = await runOk(systemProcesses, [
    "pg_restore",
    "--list",
    `${director}/bacula.dump`,
  ]);
  assert.match(stdout, /TABLE DATA public job bacula/);
});

Deno.test("the job summary lists the jobs of the week in its log", async () => {
  const job = await site.ended(await site.queue("summary"));
  assert.equal(job.status, "T", job.log);
  assert.match(job.log, /\| vm-web +\|/);
  assert.match(job.log, /\| vm-broken +\|.*\| f +\|/);
});

Deno.test("the job test-restore calls vmb on the hypervisor", async () => {
  const job = await site.ended(await site.queue("test-restore-hv1"));
  assert.match(job.log, /called: <hv> <test-restore> <--random> <--isolated-net>/);
});

Deno.test("whoever owns the Director starts nothing else on a hypervisor, and places no file there", async () => {
  const [stored] = await jobsOf("vm-web");
  const called = await Deno.readTextFile(`${bin}/calls`);
  const queued = new Map<number, Attack>();
  const refused: string[] = [];
  for (const [index, attack] of rogue.entries()) {
    if (attack.say === undefined) {
      queued.set(await site.queue(attackJob(index)), attack);
      continue;
    }
    const said = await site.console("admin", attack.say.replace("<job>", String(stored)));
    const [, id] = /JobId=(\d+)\s*$/m.exec(said.slice(said.lastIndexOf("Job queued"))) ?? [];
    if (id !== undefined) queued.set(Number(id), attack);
    else {
      assert.match(said, /is disabled|Snapshot choice|ERR|rror/, `${attack.name}: ${said}`);
      refused.push(attack.name);
    }
  }
  for (const [id, { name, include }] of queued) {
    // When the FileSet is refused, the Director waits minutes for the Storage Daemon.
    if (include !== undefined) {
      await waitFor(
        async () =>
          /Fatal error: /.test(await site.console("admin", `list joblog jobid=${id}`)) || undefined,
        { what: `what job ${id} says`, deadlineMs: 120_000, everyMs: 250 },
      );
      await site.console("admin", `cancel jobid=${id} yes`);
    }
    const { status, log } = await site.ended(id);
    assert.notEqual(status, "T", `${name}: ${log}`);
    refused.push(name);
  }
  assert.deepEqual(refused.toSorted(), rogue.map(({ name }) => name).toSorted());
  assert.ok(rogue.length >= 20);
  // Nothing of it reached vmb, or anything else.
  assert.equal(await Deno.readTextFile(`${bin}/calls`), called);
  assert.deepEqual(await names(`${bin}/outside`), []);
  assert.deepEqual(
    (await names(site.places.hypervisor.work)).filter((name) => /trace/.test(name)),
    [],
  );
  console.log(refused.map((name) => `refused: ${name}`).join("\n"));
});

Deno.test("bextract brings back what describes a VM, from the volumes alone", async () => {
  const [stored] = await jobsOf("vm-web");
  const tools = await baculaTools("15.0.3");
  const folder = `${site.folder}/extracted`;
  await Deno.mkdir(folder);
  const volumes = (await names(site.places.archive)).filter((name) => /^vmb-metadata/.test(name));
  const config = `${site.places.config}/bacula-sd.conf`;
  const argv = ["-c", config, "-V", volumes.join("|"), site.places.archive, folder];
  const done = await tools.run("bextract", ...argv);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  const backup = `${folder}${site.share}/hv1/web/2026-11-21-120000`;
  assert.equal(await Deno.readTextFile(`${backup}/vm.xml`), "vm.xml\n", `of job ${stored}`);
});

Deno.test("the monitor's console may look, and change nothing", async () => {
  assert.match(await site.console("monitor", "list jobs days=7"), /vm-web/);
  assert.match(await site.console("monitor", "status director"), /Terminated Jobs/);
  for (
    const command of [
      "run job=vm-web yes",
      "cancel jobid=1",
      "show jobs",
      "delete volume=x",
      "reload",
    ]
  ) {
    assert.match(await site.console("monitor", command), /is an invalid command/, command);
  }
});

/** Numbers of the jobs of a name. */
async function jobsOf(name: string): Promise<readonly number[]> {
  const said = await site.console("admin", `list jobs jobname=${name}`);
  return [...said.matchAll(/^\|\s*(\d+) \|/gm)].map(([, id]) => Number(id));
}

/** Paths that a job stored, without folders. */
async function storedFiles(id: number): Promise<readonly string[]> {
  const said = await site.console("admin", `list files jobid=${id}`);
  return [...said.matchAll(/^\| (\/.*?) *\|$/gm)].map(([, path = ""]) => path)
    .filter((path) => !path.endsWith("/")).sort();
}
