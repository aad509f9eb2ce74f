import type { Kept } from "../restore/definition/part.ts";
import { element } from "../restore/definition/write_kept.ts";
import type { RewrittenDisk } from "../restore/rewrite.ts";
import type { ProofNetwork } from "./proof.ts";

/** What a throw-away copy of a VM stands on. */
export interface TestCopy {
  readonly name: string;
  readonly uuid: string;
  readonly disks: ReadonlyMap<string, RewrittenDisk>;
  /** Where its UEFI variables lie, or will lie. */
  readonly nvram: string | undefined;
  readonly consoleLog: string;
  readonly network: ProofNetwork;
  /** Name of the libvirt network when it is isolated. */
  readonly isolatedNetwork: string | undefined;
  /** Staged copies of the files that the VM boots from without a boot loader, by the path of the original. */
  readonly bootFiles: ReadonlyMap<string, string>;
  /** Paths of the firmware that this host has. */
  readonly firmware: ReadonlySet<string>;
  /** The libvirt of an ordinary user can make no tap devices. */
  readonly userSession: boolean;
}

/** The devices of a copy: those of its original as the guest sees them, each on something of ours. */
export function copyDevices(kept: readonly Kept[], copy: TestCopy): readonly Kept[] {
  const serials = kept.filter(({ name }) => name === "serial");
  const log = element("source", { path: copy.consoleLog });
  const built = kept.flatMap((device): readonly Kept[] => {
    switch (device.name) {
      case "disk":
        return disk(device, copy);
      case "interface":
        return networkCard(device, copy);
      case "serial":
        return device === serials[0]
          ? [extended(device, { type: "file" }, log)]
          : [extended(device, { type: "pty" })];
      case "console":
        // libvirt shows the first serial port as a console too, and adds that by itself.
        return isSerialConsole(device) ? [] : [extended(device, { type: "pty" })];
      case "channel":
        return [extended(device, { type: "unix" })];
      case "graphics":
        // Pictures are still made of it, and `virt-viewer --attach` shows it; but nothing listens.
        return [element("graphics", device.attributes, element("listen", { type: "none" }))];
      case "watchdog":
        return [extended(device, { action: "none" })];
      case "sound":
        return [without(device, "audio")];
      case "rng":
        return [{
          ...without(device, "backend"),
          children: [
            ...device.children.filter(({ name }) => name !== "backend"),
            element("backend", { model: "random" }, "/dev/urandom"),
          ],
        }];
      default:
        return [device];
    }
  });
  return [
    ...built,
    ...serials.length > 0
      ? []
      : [element("serial", { type: "file" }, log, element("target", { port: "0" }))],
    ...kept.some(({ name }) => name === "sound")
      ? [element("audio", { id: "1", type: "none" })]
      : [],
  ];
}

/**
 * A disk that cannot be read stops the copy, so that it is noticed; and nothing waits for what a copy writes
 * to become durable.
 */
function disk(device: Kept, { disks }: TestCopy): readonly Kept[] {
  const image = disks.get(child(device, "target")?.attributes["dev"] ?? "");
  const kind = device.attributes["device"] ?? "disk";
  const bare = without(device, "driver");
  if (image === undefined) {
    return ["cdrom", "floppy"].includes(kind) ? [extended(bare, { type: "file" })] : [];
  }
  return [extended(
    bare,
    { type: "file", device: kind === "lun" ? "disk" : kind },
    element("driver", {
      ...child(device, "driver")?.attributes,
      ...{ name: "qemu", type: image.format, cache: "unsafe" },
      ...{ error_policy: "stop", rerror_policy: "stop" },
    }),
    element("source", { file: image.path }),
  )];
}

/**
 * With its cable pulled it is a tap device of its own that nothing is attached to, and the link down on top
 * of it: there is no bridge that the cable could be put into again.
 */
function networkCard(device: Kept, copy: TestCopy): readonly Kept[] {
  if (copy.network === "none") return [];
  const mac = element("mac", { address: randomMac() });
  const card = child(device, "model") === undefined
    ? extended(device, {}, element("model", { type: "virtio" }))
    : device;
  // The libvirt of an ordinary user can make no tap devices.
  if (copy.userSession || copy.network === "link-down") {
    const type = copy.userSession ? "user" : "ethernet";
    return [extended(card, { type }, mac, element("link", { state: "down" }))];
  }
  const source = element("source", { network: copy.isolatedNetwork ?? "" });
  return [extended(card, { type: "network" }, mac, source)];
}

function isSerialConsole(device: Kept): boolean {
  return ["serial", undefined].includes(child(device, "target")?.attributes["type"]);
}

function child(kept: Kept, name: string): Kept | undefined {
  return kept.children.find((each) => each.name === name);
}

function without(kept: Kept, name: string): Kept {
  return { ...kept, children: kept.children.filter((each) => each.name !== name) };
}

function extended(
  kept: Kept,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly Kept[]
): Kept {
  return {
    ...kept,
    attributes: { ...kept.attributes, ...attributes },
    children: [...children, ...kept.children],
  };
}

/** In the range that QEMU and libvirt use. */
function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(3));
  return `52:54:00:${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
}
