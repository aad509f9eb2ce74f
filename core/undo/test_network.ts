import { VmbError } from "../error.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { runOk } from "../sys/process.ts";
import type { System } from "../sys/system.ts";

/** Removes network and rules; both may be gone already. */
export async function removeIsolatedNetwork(
  { processes }: Pick<System, "processes">,
  virsh: Virsh,
  { name, table }: { readonly name: string; readonly table: string },
): Promise<void> {
  const listed = await virsh.run(["net-list", "--all", "--name"]);
  if (listed.split("\n").some((line) => line.trim() === name)) {
    await virsh.run(["net-destroy", name]);
  }
  const tables = await processes.run(["nft", "list", "tables", "inet"]).catch((error) => {
    // Without the program there are no rules of ours.
    if (error instanceof VmbError && error.code === "process.missing") return undefined;
    throw error;
  });
  if (tables?.stdout.split("\n").includes(`table inet ${table}`)) {
    await runOk(processes, ["nft", "delete", "table", "inet", table]);
  }
}
