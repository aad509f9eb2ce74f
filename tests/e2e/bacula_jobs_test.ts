import assert from "node:assert/strict";
import { vmJobName } from "../../core/bacula/names.ts";
import { nameArgument } from "../../core/config/escaped_name.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { type BaculaSite, openBaculaSite } from "../lab/bacula_site.ts";
import { waitFor } from "../lab/wait.ts";

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

Deno.test.beforeAll(async () => {
  const bin = await Deno.makeTempDir({ prefix: "vmb-bin-" });
  await Deno.writeTextFile(`${bin}/calls`, "");
  await Deno.writeTextFile(`${bin}/vmb`, standIn, { mode: 0o755 });
  site = await openBaculaSite({ release: "15.0.3", list, vmb: `${bin}/vmb` });
  await Deno.writeTextFile(`${bin}/share`, site.share);
});

Deno.test.afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await Deno.remove(site.places.hypervisor.vmb.replace(/\/[^/]*$/, ""), { recursive: true });
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
  const bin = site.places.hypervisor.vmb.replace(/\/[^/]*$/, "");
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

Deno.test("a restore brings back what describes a VM, into the one folder that it may", async () => {
  const { hypervisor } = site.places;
  const said = await site.console("admin", "restore client=hv1-fd jobid=1 all done yes");
  const [, id] = /JobId=(\d+)/.exec(said) ?? [];
  assert.ok(id !== undefined, said);
  const job = await site.ended(Number(id));
  assert.deepEqual([job.status, job.errors], ["T", 0], job.log);
  const backup = `${hypervisor.restored}${site.share}/hv1/web/2026-11-21-120000`;
  assert.equal(await Deno.readTextFile(`${backup}/vm.xml`), "vm.xml\n");
  const elsewhere = await site.console(
    "admin",
    `restore client=hv1-fd jobid=1 where=${site.folder}/elsewhere all done yes`,
  );
  const refused = await site.ended(Number(/JobId=(\d+)/.exec(elsewhere)?.[1]));
  assert.notEqual(refused.status, "T", refused.log);
  assert.equal(await Deno.stat(`${site.folder}/elsewhere`).catch(() => undefined), undefined);
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

/** Paths that a job stored, without folders. */
async function storedFiles(id: number): Promise<readonly string[]> {
  const said = await site.console("admin", `list files jobid=${id}`);
  return [...said.matchAll(/^\| (\/.*?) *\|$/gm)].map(([, path = ""]) => path)
    .filter((path) => !path.endsWith("/")).sort();
}
