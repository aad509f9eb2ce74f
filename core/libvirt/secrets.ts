import { XmlElement } from "@rgrove/parse-xml";
import type { Virsh } from "./virsh.ts";
import { attribute, child, parseDomain } from "./xml_element.ts";

/** A secret of libvirt that a domain does not start without. Its value is in no backup. */
export interface NeededSecret {
  /** UUID or usage, by which the domain names it. */
  readonly name: string;
  /** What it opens: `disk vda`, `TPM`. */
  readonly for: string;
}

/** The secrets that a domain's XML names, wherever it names them; each once for each use. */
export function neededSecrets(xml: string): readonly NeededSecret[] {
  const needed: NeededSecret[] = [];
  const add = (name: string | undefined, owner: string) => {
    if (name === undefined || needed.some((each) => each.name === name && each.for === owner)) {
      return;
    }
    needed.push({ name, for: owner });
  };
  const visit = (element: XmlElement, owner: string) => {
    for (const node of element.children) {
      if (!(node instanceof XmlElement)) continue;
      const its = ownerOf(node) ?? owner;
      if (node.name === "secret") add(attribute(node, "uuid") ?? attribute(node, "usage"), its);
      if (node.name === "encryption") add(attribute(node, "secret"), its);
      visit(node, its);
    }
  };
  const devices = child(parseDomain(xml), "devices");
  if (devices !== undefined) visit(devices, "a device");
  return needed;
}

function ownerOf(element: XmlElement): string | undefined {
  switch (element.name) {
    case "disk":
      return `disk ${attribute(child(element, "target"), "dev") ?? ""}`;
    case "tpm":
      return "TPM";
    case "hostdev":
      return "host device";
    default:
      return undefined;
  }
}

/** The secrets that libvirt has, by UUID and by usage; `undefined` when it does not say. */
export async function knownSecrets(virsh: Virsh): Promise<ReadonlySet<string> | undefined> {
  const { code, stdout } = await virsh.attempt(["secret-list"]);
  if (code !== 0) return undefined;
  // Columns: UUID, type and id of its use.
  return new Set(
    stdout.split("\n").flatMap((line) => {
      const [, uuid, usage] = /^\s*([0-9a-f-]{36})\s+\S+\s+(.*?)\s*$/.exec(line) ?? [];
      return [uuid, usage].filter((name) => name !== undefined);
    }),
  );
}
