import denoJson from "./deno.json" with { type: "json" };
import { realSystem } from "./core/sys/system.ts";
import { systemTerminal } from "./core/sys/terminal.ts";
import { threadScope } from "./core/sys/thread.ts";

const scope = threadScope();
if (scope === undefined) {
  const { runMain } = await import("./commands/main.ts");
  realSystem.host.exit(
    await runMain(realSystem, systemTerminal, {
      version: denoJson.version,
      args: realSystem.host.args,
    }),
  );
} else {
  // Every thread runs this module too, and is named after its work.
  switch (scope.name) {
    case "digest":
      (await import("./core/copy/digest_thread.ts")).digestThread(scope);
      break;
    case "store":
      (await import("./core/copy/store_thread.ts")).storeThread(scope);
      break;
    case "readback":
      (await import("./core/repository/read_back_thread.ts")).readBackThread(scope);
  }
}
