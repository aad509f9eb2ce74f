import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const hook = fileURLToPath(new URL("../../../templates/bacula/job-failed.sh", import.meta.url));

/** Runs the hook as the Director does for a job that its client could not be reached for. */
async function jobFailed(folder: string, env: Readonly<Record<string, string>> = {}) {
  const args = [`${folder}/failed`, `${folder}/webhook`, "vm-a:20b", "17", "hv1-fd", "Fatal Error"];
  return await systemProcesses.run(["/bin/sh", hook, ...args], { env });
}

Deno.test("job-failed.sh notes the job, once for check and once for whoever tells Slack", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await jobFailed(folder.path);
  assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  for (const path of ["17.json", "untold/17.json"]) {
    const note = JSON.parse(await Deno.readTextFile(`${folder.path}/failed/${path}`));
    assert.deepEqual(note, { jobId: 17, job: "vm-a:20b", client: "hv1-fd", status: "Fatal Error" });
  }
});

Deno.test("job-failed.sh removes notes older than 90 days, and no other file", async () => {
  await using folder = await temporaryFolder();
  const failed = `${folder.path}/failed`;
  await Deno.mkdir(failed);
  const day = 86_400_000;
  const ages = { "1.json": 92, "2.json": 91.1, "3.json": 89, "kept.txt": 400, "it's $x.json": 400 };
  for (const [name, days] of Object.entries(ages)) {
    await Deno.writeTextFile(`${failed}/${name}`, "");
    const time = new Date(Date.now() - days * day);
    await Deno.utime(`${failed}/${name}`, time, time);
  }
  const { code, stdout, stderr } = await jobFailed(folder.path);
  assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  const left = [...Deno.readDirSync(failed)].map(({ name }) => name).sort();
  assert.deepEqual(left, ["17.json", "3.json", "it's $x.json", "kept.txt", "untold"]);
});

Deno.test("job-failed.sh notes the job though an old note cannot be removed", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/bin`);
  const find = `${folder.path}/bin/find`;
  await Deno.writeTextFile(find, "#!/bin/sh\necho oops >&2\nexit 1\n", { mode: 0o755 });
  const ended = await jobFailed(folder.path, {
    PATH: `${folder.path}/bin:${Deno.env.get("PATH")}`,
  });
  assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, "", ""]);
  assert.ok((await Deno.stat(`${folder.path}/failed/17.json`)).isFile);
});

Deno.test("job-failed.sh wants no program that an image lacks, and waits for no network", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/bin`);
  for (const program of ["mkdir", "mv", "cp", "find", "rm"]) {
    const { stdout } = await systemProcesses.run(["sh", "-c", `command -v ${program}`]);
    await Deno.symlink(stdout.trim(), `${folder.path}/bin/${program}`);
  }
  const ended = await jobFailed(folder.path, { PATH: `${folder.path}/bin` });
  assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, "", ""]);
  const left = [...Deno.readDirSync(`${folder.path}/failed`)].map(({ name }) => name).sort();
  assert.deepEqual(left, ["17.json", "untold"]);
});
