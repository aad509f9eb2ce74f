import assert from "node:assert/strict";
import { openBconsole } from "../../../core/bacula/bconsole.ts";
import { splitAnswers } from "../../../core/bacula/console_answers.ts";
import { daemonVersion, directorVersion } from "../../../core/bacula/daemon_version.ts";
import { activeJobs } from "../../../core/bacula/jobs_now.ts";
import { recorded, type Session, sessions } from "./recorded_console.ts";

Deno.test("daemonVersion reads what each daemon says of itself", async () => {
  const [director = "", storage = "", client = ""] = splitAnswers(
    await recorded("15.0.3", "daemons"),
    sessions.daemons,
  );
  assert.equal(daemonVersion(director, "vmb-dir"), "15.0.3");
  assert.equal(daemonVersion(storage, "vmb-sd"), "15.0.3");
  assert.equal(daemonVersion(client, "hv1-fd"), "15.0.3");
  assert.equal(daemonVersion(client, "hv1"), undefined);
});

Deno.test("daemonVersion finds none where the Director did not reach the daemon", async () => {
  const [answer = ""] = splitAnswers(await recorded("15.0.3", "client_away"), sessions.client_away);
  assert.match(answer, /ERR=Connection refused/);
  assert.equal(daemonVersion(answer, "hv1-fd"), undefined);
});

Deno.test("directorVersion and activeJobs get their answers while the catalog is away", async () => {
  assert.equal(await directorVersion(await replay("running_without_catalog")), "15.0.3");
  const jobs = await activeJobs(await replay("running_without_catalog"));
  assert.deepEqual(jobs.map(({ id, job, result }) => [id, job, result]), [
    [1, "vm-slow", "canceled"],
    [2, "vm-web", "active"],
  ]);
});

Deno.test("activeJobs has a canceled job until the Director has ended it", async () => {
  const [job, ...others] = await activeJobs(await replay("canceling"));
  assert.deepEqual(others, []);
  assert.deepEqual([job?.id, job?.state, job?.running, job?.result], [
    1,
    "has been canceled",
    false,
    "canceled",
  ]);
});

/** A console that prints a session as it was, whatever is said. */
async function replay(session: Session) {
  const stdout = await recorded("15.0.3", session);
  return openBconsole({
    processes: { run: (argv) => Promise.resolve({ argv, code: 0, stdout, stderr: "" }) },
    argv: ["bconsole"],
  });
}
