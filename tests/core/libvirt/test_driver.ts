import type { Domain } from "../../../core/libvirt/domain.ts";
import { openVirsh, type Virsh } from "../../../core/libvirt/virsh.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

/** The one domain of libvirt's own test driver: running, with the run-time id 1, backed by nothing. */
export const testDomain: Domain = {
  name: "test",
  uuid: "6695eb01-f6a4-8304-79aa-97f2502e193f",
};

export const testVirsh: Virsh = openVirsh(systemProcesses, "test:///default");

/** Real virsh with running or stopped domains of these names, in a file of libvirt's test driver. */
export async function virshWith(
  names: readonly string[],
  state: "running" | "shut off" = "running",
): Promise<{ readonly virsh: Virsh } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const domains = names.map((name, index) =>
    `<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>${
      name.replace(/[&<]/g, (character) => `&#${character.charCodeAt(0)};`)
    }</name><uuid>${
      uuidOf(index)
    }</uuid><memory>1024</memory><os><type>hvm</type></os><test:runstate>${
      state === "running" ? 1 : 5
    }</test:runstate></domain>`
  );
  await Deno.writeTextFile(`${folder.path}/node.xml`, `<node>${domains.join("")}</node>`);
  return {
    virsh: openVirsh(systemProcesses, `test://${folder.path}/node.xml`),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

export function uuidOf(index: number): string {
  return `${String(index + 1).padStart(8, "0")}-1111-4222-8333-444444444444`;
}
