import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { type CheckVerdict, failed, passed } from "../checks/check.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { attribute, child, children, parseDomain } from "../libvirt/xml_element.ts";
import type { System } from "../sys/system.ts";
import type { HostFacts } from "./host_facts.ts";
import type { RestorePlan } from "./plan.ts";

/** Whether this hypervisor has the emulator, the machine type and the processor that a VM wants. */
export async function machineVerdict(
  { system, virsh, facts, plan }: {
    readonly system: Pick<System, "files">;
    readonly virsh: Virsh;
    readonly facts: Pick<HostFacts, "emulators">;
    readonly plan: Pick<RestorePlan, "xml" | "trustDefinition">;
  },
): Promise<CheckVerdict> {
  const domain = parseDomain(plan.xml);
  const type = child(child(domain, "os"), "type");
  const named = child(child(domain, "devices"), "emulator")?.text.trim();
  // To ask for its capabilities, libvirt runs it.
  const isKnown = named !== undefined && (facts.emulators.has(named) || plan.trustDefinition);
  const emulator = isKnown ? named : undefined;
  const machine = attribute(type, "machine");
  const arch = attribute(type, "arch");
  if (emulator !== undefined && await system.files.inspectTarget(emulator) === undefined) {
    return failed(
      `there is no emulator "${emulator}"`,
      "Install QEMU; distributions put it in different places, then a link is enough",
    );
  }
  const asked = await virsh.attempt([
    "domcapabilities",
    ...(attribute(domain, "type") ? ["--virttype", attribute(domain, "type") ?? ""] : []),
    ...(emulator === undefined ? [] : ["--emulatorbin", emulator]),
    ...(arch === undefined ? [] : ["--arch", arch]),
    ...(machine === undefined ? [] : ["--machine", machine]),
  ]);
  const words = [machine, arch].filter((word) => word !== undefined).join(", ");
  if (asked.code !== 0) {
    return failed(
      `machine type ${words} cannot be had: ${
        asked.stderr.trim().replace(/^error:\s*/gm, "").split("\n").at(-1)
      }`,
      "Restore on a hypervisor that has it (virsh capabilities), or after an update of QEMU",
    );
  }
  const cpu = child(domain, "cpu");
  const model = child(cpu, "model")?.text.trim();
  const mode = attribute(cpu, "mode") ?? (model === undefined ? undefined : "custom");
  const problem = mode && processorProblem(asked.stdout, mode, model);
  if (problem) {
    return failed(
      problem,
      "Restore on a hypervisor with such a processor, or change <cpu> of a restored VM first",
    );
  }
  return passed([words, model ?? mode].filter((word) => word !== undefined).join(", "));
}

/** libvirt, formatdomaincaps.html, "CPU configuration". */
function processorProblem(
  capabilities: string,
  mode: string,
  model: string | undefined,
): string | undefined {
  const { root } = parseXml(capabilities);
  const cpu = root instanceof XmlElement ? child(root, "cpu") : undefined;
  const found = cpu && children(cpu, "mode").find((one) => attribute(one, "name") === mode);
  if (found === undefined) return undefined;
  if (attribute(found, "supported") === "no") return `processor mode ${mode} cannot be had here`;
  if (mode !== "custom" || model === undefined) return undefined;
  const models = children(found, "model");
  const known = models.find((one) => one.text.trim() === model);
  if (known === undefined) return `processor model ${model} is not known here`;
  if (attribute(known, "usable") === "no") return `processor model ${model} cannot run here`;
  return undefined;
}
