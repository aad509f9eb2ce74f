import { Buffer } from "node:buffer";
import type { Validation } from "../config/vm_list.ts";
import { toVmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { agentCommand } from "../libvirt/agent.ts";
import { showArgv } from "../sys/process.ts";
import { readConsole } from "./boot.ts";
import { plainText } from "./console_signs.ts";
import type { ProofContext, RunningCopy } from "./context.ts";
import { stepFailed, stepOk, type StepResult, stepUnproven } from "./steps.ts";

/** Asks the copy one thing of the list in vm-list.yaml. */
export async function validateCopy(
  context: ProofContext,
  copy: RunningCopy,
  validation: Validation,
  addresses: readonly string[],
): Promise<StepResult> {
  switch (validation.kind) {
    case "command":
      return await runInGuest(context, validation);
    case "tcp":
      return await reachPort(context, copy, validation, addresses);
    case "console":
      return await waitForConsole(context, copy, validation);
  }
}

/** What a step is called: `validate tcp 22`. */
export function validationName(validation: Validation): string {
  switch (validation.kind) {
    case "command":
      return `validate ${showArgv(validation.argv).slice(0, 80)}`;
    case "tcp":
      return `validate tcp ${validation.port}`;
    case "console":
      return `validate console /${validation.pattern}/`;
  }
}

/** Runs a program by the guest agent (QEMU, qemu-ga-ref, `guest-exec`). */
async function runInGuest(
  { virsh, copy, system, signal }: ProofContext,
  { argv, exit, output, timeoutSeconds }: Extract<Validation, { kind: "command" }>,
): Promise<StepResult> {
  const [path, ...arg] = argv;
  const ask = (command: string, args: Readonly<Record<string, unknown>>) =>
    agentCommand(virsh, copy, command, 10, args);
  const until = system.clock.monotonic() + timeoutSeconds * 1000;
  let started: { readonly pid?: unknown };
  try {
    started = await ask("guest-exec", { path, arg, "capture-output": true }) as typeof started;
  } catch (thrown) {
    const { message } = toVmbError(thrown);
    // RHEL's agent refuses it until /etc/sysconfig/qemu-ga allows it.
    return /disabled|not been found|CommandNotFound|not allowed/i.test(message)
      ? stepUnproven(
        `the guest agent runs no programs: ${message}`,
        "Allow guest-exec in the guest: /etc/sysconfig/qemu-ga, or its --block-rpcs",
      )
      : stepFailed(message);
  }
  for (let pause = 50;; pause = Math.min(pause * 2, 1000)) {
    const status = await ask("guest-exec-status", { pid: started.pid }) as {
      readonly exited?: boolean;
      readonly exitcode?: number;
      readonly signal?: number;
      readonly "out-data"?: string;
      readonly "err-data"?: string;
    };
    if (status.exited) return judge(status);
    if (system.clock.monotonic() > until) {
      return stepFailed(`no end within ${timeoutSeconds} s`);
    }
    await system.clock.sleep(pause, signal);
  }

  function judge(status: {
    readonly exitcode?: number;
    readonly signal?: number;
    readonly "out-data"?: string;
    readonly "err-data"?: string;
  }): StepResult {
    const text = (data = "") => Buffer.from(data, "base64").toString("utf8");
    const said = text(status["out-data"]);
    const shown = quoted((said.trim() || text(status["err-data"]).trim()).slice(-200));
    if (status.exitcode !== exit) {
      const how = status.exitcode === undefined
        ? `was ended by signal ${status.signal}`
        : `ended with status ${status.exitcode}`;
      return stepFailed(`it ${how}, wanted is ${exit}: ${shown}`);
    }
    if (output !== undefined && !new RegExp(output, "m").test(said)) {
      return stepFailed(`its output does not match /${output}/: ${shown}`);
    }
    return stepOk(`status ${exit}, output ${shown}`);
  }
}

async function reachPort(
  { system, signal }: ProofContext,
  { network }: RunningCopy,
  { port, timeoutSeconds }: Extract<Validation, { kind: "tcp" }>,
  addresses: readonly string[],
): Promise<StepResult> {
  if (network === undefined) {
    return stepUnproven("it has no network to be reached on", "Prove it with --isolated-net");
  }
  const reachable = addresses.filter((address) => address.startsWith(`${network.subnet.prefix}.`));
  if (reachable.length === 0) {
    return stepUnproven("it has no address on the isolated network: its own is fixed");
  }
  const until = system.clock.monotonic() + timeoutSeconds * 1000;
  let last = "";
  while (system.clock.monotonic() < until) {
    signal.throwIfAborted();
    for (const address of reachable) {
      try {
        await system.network.probeTcp(address, port, { timeoutMs: 3000 });
        return stepOk(`${address} accepts connections`);
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
    }
    await system.clock.sleep(500, signal);
  }
  return stepFailed(`no connection within ${timeoutSeconds} s: ${last}`);
}

async function waitForConsole(
  context: ProofContext,
  copy: RunningCopy,
  { pattern, timeoutSeconds }: Extract<Validation, { kind: "console" }>,
): Promise<StepResult> {
  const { clock } = context.system;
  const until = clock.monotonic() + timeoutSeconds * 1000;
  for (;;) {
    const found = new RegExp(pattern, "m").exec(plainText(await readConsole(context, copy)));
    if (found !== null) return stepOk(quoted(found[0]));
    if (clock.monotonic() > until) return stepFailed(`not said within ${timeoutSeconds} s`);
    await clock.sleep(300, context.signal);
  }
}
