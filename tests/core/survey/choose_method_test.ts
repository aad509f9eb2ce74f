import assert from "node:assert/strict";
import { chooseMethod } from "../../../core/survey/choose_method.ts";
import { type Method, methods } from "../../../core/survey/method.ts";
import type { DomainState } from "../../../core/libvirt/domain.ts";

const states = [
  "running",
  "paused",
  "shut off",
  "in shutdown",
  "pmsuspended",
  "crashed",
  "idle",
  "no state",
] as const satisfies readonly DomainState[];

/** What is chosen, by state, agent and policy, for the methods auto, quiesce, snapshot, offline. */
const table: readonly (readonly [
  DomainState,
  "answers" | "silent",
  "fail" | "fallback",
  readonly string[],
])[] = [
  ["running", "answers", "fail", ["quiesce", "quiesce", "snapshot", "-"]],
  ["running", "answers", "fallback", ["quiesce", "quiesce", "snapshot", "-"]],
  ["running", "silent", "fail", ["-", "-", "snapshot", "-"]],
  ["running", "silent", "fallback", ["snapshot!", "snapshot!", "snapshot", "-"]],
  ["shut off", "silent", "fail", ["offline", "-", "-", "offline"]],
  ["shut off", "silent", "fallback", ["offline", "-", "-", "offline"]],
  ["shut off", "answers", "fail", ["offline", "-", "-", "offline"]],
  ["shut off", "answers", "fallback", ["offline", "-", "-", "offline"]],
  ...states.filter((state) => state !== "running" && state !== "shut off").flatMap((state) =>
    (["answers", "silent"] as const).flatMap((agent) =>
      (["fail", "fallback"] as const).map((policy) =>
        [state, agent, policy, ["-", "-", "-", "-"]] as const
      )
    )
  ),
];

Deno.test("chooseMethod by state, agent, policy and wish", () => {
  assert.equal(table.length, states.length * 4);
  for (const [state, agent, policy, expected] of table) {
    for (const [index, wanted] of methods.entries()) {
      const agentProblem = agent === "answers" ? undefined : "it is silent";
      const survey = { state, agentProblem, earlyClose: undefined };
      const choice = chooseMethod(wanted, survey, policy);
      const shown = choice.kind === "none"
        ? "-"
        : `${choice.method}${choice.fallback === undefined ? "" : "!"}`;
      assert.equal(shown, expected[index], `${state}, ${agent}, ${policy}, ${wanted}`);
      if (choice.kind === "none") assert.ok(choice.reason && choice.hint);
    }
  }
});

Deno.test("chooseMethod says what it falls back to, and why there is no method", () => {
  const choose = (wanted: Method, state: DomainState, policy: "fail" | "fallback") =>
    JSON.stringify(
      chooseMethod(
        wanted,
        { state, agentProblem: "no answer in 5 s", earlyClose: undefined },
        policy,
      ),
    );
  assert.match(choose("auto", "running", "fallback"), /no answer in 5 s.*crash-consistent/);
  assert.match(choose("auto", "running", "fail"), /no answer in 5 s.*agent: fallback/);
  assert.match(choose("quiesce", "shut off", "fail"), /method quiesce wants it running/);
  assert.match(choose("offline", "paused", "fail"), /it is paused, and method offline/);
});

Deno.test("chooseMethod keeps a backup job from a VM that would die of its sudden end", () => {
  const survey = { state: "running", agentProblem: undefined, earlyClose: "vda has an iothread" };
  for (const policy of ["fail", "fallback"] as const) {
    assert.deepEqual(chooseMethod("auto", { ...survey, state: "running" }, policy), {
      kind: "chosen",
      method: "snapshot",
      reason: "vda has an iothread",
    });
    const refused = chooseMethod("quiesce", { ...survey, state: "running" }, policy);
    assert.ok(refused.kind === "none");
    assert.match(refused.reason, /method quiesce endangers it: vda has an iothread/);
    assert.match(refused.hint, /--method auto or snapshot/);
  }
  assert.equal(
    JSON.stringify(chooseMethod("snapshot", { ...survey, state: "running" }, "fail")),
    '{"kind":"chosen","method":"snapshot"}',
  );
});
