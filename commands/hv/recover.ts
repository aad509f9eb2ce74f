import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";

export function recoverCommand(context: CommandContext) {
  return newCommand("recover", {
    summary: "Put right what killed runs left on this hypervisor",
    examples: ["vmb hv recover", "vmb hv recover --json"],
  })
    .option("--kept", "also remove the test copies that test-restore --keep left running")
    .option("--json", "print the result as JSON")
    .action(async ({ kept = false, json }) => {
      const { settings } = await context.configuration();
      const { assertRecovered, recover } = await import("../../core/recovery/recover.ts");
      context.shield();
      const recoveries = await recover(settings.stateDir, {
        system: context.system,
        report: context.report,
        shareTimeoutMs: settings.shareTimeoutSeconds * 1000,
        kept,
        waiting: context.signal,
      });
      context.result(
        json,
        { recoveries },
        () =>
          recoveries.length === 0
            ? "nothing to recover\n"
            : recoveries.map(({ run, vm, problem }) =>
              `${vm} (${run}): ${problem ?? "recovered"}\n`
            ).join(""),
      );
      assertRecovered(recoveries);
    });
}
