import assert from "node:assert/strict";
import { agentProblem } from "../../../core/libvirt/agent.ts";
import { guestExec } from "../../../core/libvirt/guest_exec.ts";
import { fakeClock } from "../sys/fake_clock.ts";
import { type Said, scriptedVirsh } from "./scripted_virsh.ts";
import { testDomain } from "./test_driver.ts";

const silent = { code: 1, stderr: "error: Guest agent is not responding: agent is not connected" };
const given = (value: unknown) => JSON.stringify({ return: value });

/** An agent that answers each command in turn; the last answer is repeated. */
function agent(answers: Readonly<Record<string, readonly Said[]>>) {
  const counts = new Map<string, number>();
  const virsh = scriptedVirsh({
    "qemu-agent-command": ([, , text = ""]) => {
      const { execute } = JSON.parse(text);
      const said = answers[execute] ?? [{ code: 1, stderr: "error: no such command" }];
      const count = counts.get(execute) ?? 0;
      counts.set(execute, count + 1);
      return said[Math.min(count, said.length - 1)] ?? "";
    },
  });
  return { virsh, clock: fakeClock(), count: (name: string) => counts.get(name) ?? 0 };
}

const problem = async (answers: Readonly<Record<string, readonly Said[]>>) => {
  const stand = agent(answers);
  return { said: await agentProblem(stand, testDomain), ...stand };
};

Deno.test("agentProblem asks again before it calls an agent silent", async () => {
  const booting = await problem({ "guest-fsfreeze-status": [silent, silent, given("thawed")] });
  assert.equal(booting.said, undefined);
  const dead = await problem({ "guest-fsfreeze-status": [silent] });
  assert.match(dead.said ?? "", /not connected \(Start the service qemu-guest-agent/);
  assert.equal(dead.count("guest-fsfreeze-status"), 3);
  assert.ok(dead.clock.monotonic() >= 2000);
});

Deno.test("agentProblem finds a freeze that is forbidden, or that is someone else's", async () => {
  const thawed = { "guest-fsfreeze-status": [given("thawed")] };
  const info = (commands: unknown) => ({
    ...thawed,
    "guest-info": [given({ supported_commands: commands })],
  });
  for (
    const [answers, expected] of [
      [thawed, undefined],
      [info([{ name: "guest-fsfreeze-freeze", enabled: true }]), undefined],
      [info([]), undefined],
      [info("nonsense"), undefined],
      [info([null, { name: "guest-fsfreeze-freeze", enabled: false }]), /is disabled.*BLOCK_RPCS/],
      [{ "guest-fsfreeze-status": [given("frozen")] }, /frozen by someone else/],
    ] as const
  ) {
    const { said } = await problem(answers);
    if (expected === undefined) assert.equal(said, undefined, JSON.stringify(answers));
    else assert.match(said ?? "", expected);
  }
});

Deno.test("agentProblem tells what cures an agent, by what libvirt says of it", async () => {
  for (
    const [words, cure] of [
      [
        "Guest agent is not responding: QEMU guest agent is not available due to an error",
        /gave its link.*restart qemu-guest-agent/,
      ],
      ["Guest agent is not configured: QEMU guest agent is not configured", /channel org\.qemu/],
      ["Command guest-fsfreeze-status has been disabled", /BLOCK_RPCS/],
      ["Guest agent is not responding: Guest agent not available for now", /Look for the service/],
    ] as const
  ) {
    const { said } = await problem({
      "guest-fsfreeze-status": [{ code: 1, stderr: `error: ${words}` }],
    });
    assert.match(said ?? "", cure, words);
  }
});

Deno.test("guestExec runs a program to its end, or says what is wrong with it", async () => {
  const run = (started: Said, ...states: Said[]) => {
    const { virsh, clock } = agent({ "guest-exec": [started], "guest-exec-status": states });
    return guestExec({ virsh, domain: testDomain, clock }, ["/bin/x"], 5);
  };
  const pid = given({ pid: 7 });
  assert.deepEqual(
    await run(
      pid,
      given({ exited: false }),
      given({ exited: true, exitcode: 2, "out-data": btoa("one\ntwo\u001b[31m\n") }),
    ),
    { code: 2, words: "[31m" },
  );
  assert.deepEqual(await run(pid, given({ exited: true, signal: 9 })), {
    code: undefined,
    words: "",
  });
  assert.deepEqual(
    await run(pid, given({ exited: true, exitcode: 0, "out-data": "?no base64?" })),
    {
      code: 0,
      words: "",
    },
  );
  await assert.rejects(run(pid, given({ exited: false })), {
    code: "guest.exec",
    message: /did not end within 5 s/,
  });
  for (
    const [started, state] of [[given({}), ""], [given(7), ""], [pid, given({})], [pid, given(3)]]
  ) {
    await assert.rejects(run(started ?? "", state ?? ""), { code: "guest.exec" });
  }
  const disabled = { code: 1, stderr: "error: Command guest-exec has been disabled" };
  await assert.rejects(run(disabled), { code: "libvirt.agent", hint: /--block-rpcs/ });
});
