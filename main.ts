import denoJson from "./deno.json" with { type: "json" };
import { threadScope } from "./core/sys/thread.ts";

const scope = threadScope();
if (scope === undefined) {
  // Not imported above: a thread, which starts here too, would load them and use none.
  const [{ runMain }, { realSystem }, { systemTerminal }] = await Promise.all([
    import("./commands/main.ts"),
    import("./core/sys/system.ts"),
    import("./core/sys/terminal.ts"),
  ]);
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
    case "hash":
      (await import("./core/copy/hash_thread.ts")).hashThread(scope);
      break;
    case "restore":
      (await import("./core/restore/restore_thread.ts")).restoreThread(scope);
      break;
    case "readback":
      (await import("./core/repository/read_back_thread.ts")).readBackThread(scope);
      break;
    case "sample":
      (await import("./core/proof/sample_thread.ts")).sampleThread(scope);
  }
}
