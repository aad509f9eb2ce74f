import assert from "node:assert/strict";
import { splitAnswers } from "../../../core/bacula/console_answers.ts";
import { parseLongList } from "../../../core/bacula/console_records.ts";
import { recorded, releases } from "./recorded_console.ts";

for (const release of releases) {
  Deno.test(`splitAnswers gives each command of ${release} its answer, without chatter`, async () => {
    const run = await recorded(release, "run");
    const queue = ["run job=vm-web level=Incremental yes", "run job=vm-slow yes"];
    const broken = "run job=vm-broken yes";
    assert.deepEqual(
      splitAnswers(run, [...queue, broken]),
      [1, 2, 3].map((id) => `Job queued. JobId=${id}`),
    );
    const commands = ["llist jobid=1", "llist jobid=3", "llist jobid=999"];
    const answers = splitAnswers(await recorded(release, "llist"), commands);
    const states = answers.map((answer) => parseLongList(answer).map(({ jobstatus }) => jobstatus));
    assert.deepEqual(states, [["T"], ["f"], []]);
    assert.equal(answers[2], "No results to list.");
  });

  Deno.test(`splitAnswers sees when the Director of ${release} asked back`, async () => {
    const stdout = await recorded(release, "run_unknown");
    assert.throws(() => splitAnswers(stdout, ["run job=nope yes"]), {
      code: "bacula.answer",
      message: /Select Job resource \(1-8\):/,
    });
  });

  Deno.test(`splitAnswers reads rows of ${release} also when no message waits`, async () => {
    const history = await recorded(release, "history");
    const command = history.split("\n").find((line) => line.startsWith(".sql"));
    assert.ok(command !== undefined && history.includes("\tYou have messages.\nquit"));
    // A Director that was just made, or whose messages were read: seen in the systemd lab.
    const quiet = history.replace("\tYou have messages.\nquit", "\tquit");
    assert.deepEqual(splitAnswers(quiet, [command]), splitAnswers(history, [command]));
  });

  Deno.test(`parseLongList reads every field of a job of ${release}`, async () => {
    const [answer = ""] = splitAnswers(await recorded(release, "llist_running"), ["llist jobid=2"]);
    const [job, ...others] = parseLongList(answer);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [job?.["jobid"], job?.["name"], job?.["jobstatus"], job?.["endtime"], job?.["joberrors"]],
      ["2", "vm-slow", "C", "", "0"],
    );
    assert.match(job?.["jobtdate"] ?? "", /^1,795,\d{3},\d{3}$/);
  });
}
