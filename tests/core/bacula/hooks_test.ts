import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { systemProcesses } from "../../../core/sys/process.ts";
import { startSlack } from "../../lab/slack.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const hook = fileURLToPath(new URL("../../../templates/bacula/job-failed.sh", import.meta.url));

/** Runs the hook as the Director does for a job that its client could not be reached for. */
async function jobFailed(folder: string, env: Readonly<Record<string, string>> = {}) {
  const args = [`${folder}/failed`, `${folder}/webhook`, "vm-a:20b", "17", "hv1-fd", "Fatal Error"];
  return await systemProcesses.run(["/bin/sh", hook, ...args], { env });
}

Deno.test("job-failed.sh notes the job, and tells Slack without showing the webhook", async () => {
  await using slack = startSlack();
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/webhook`, slack.url);
  const { code, stdout, stderr } = await jobFailed(folder.path);
  assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  const note = JSON.parse(await Deno.readTextFile(`${folder.path}/failed/17.json`));
  assert.deepEqual(note, { jobId: 17, job: "vm-a:20b", client: "hv1-fd", status: "Fatal Error" });
  const [post] = await slack.waitForPosts(1);
  assert.equal(post?.contentType, "application/json");
  assert.deepEqual(JSON.parse(post.body), {
    text: "Bacula job vm-a:20b on hv1-fd ended with: Fatal Error. Its log: vmb ctl log 17",
  });
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
  assert.deepEqual(left, ["17.json", "3.json", "it's $x.json", "kept.txt"]);
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

Deno.test("job-failed.sh notes the job where there is no webhook, no curl, or no answer", async () => {
  await using slack = startSlack();
  await using folder = await temporaryFolder();
  assert.equal((await jobFailed(folder.path)).code, 0);
  await Deno.writeTextFile(`${folder.path}/webhook`, slack.url);
  await Deno.mkdir(`${folder.path}/bin`);
  for (const program of ["mkdir", "mv", "cat"]) {
    const { stdout } = await systemProcesses.run(["sh", "-c", `command -v ${program}`]);
    await Deno.symlink(stdout.trim(), `${folder.path}/bin/${program}`);
  }
  const without = await jobFailed(folder.path, { PATH: `${folder.path}/bin` });
  assert.deepEqual([without.code, without.stdout], [
    0,
    "Slack is not told: there is no curl beside the Director\n",
  ]);
  slack.plan({ status: 500 });
  const refused = await jobFailed(folder.path);
  assert.notEqual(refused.code, 0);
  assert.ok(!refused.stderr.includes(slack.url), refused.stderr);
  assert.deepEqual([...Deno.readDirSync(`${folder.path}/failed`)].map(({ name }) => name), [
    "17.json",
  ]);
});
