import { type Kept } from "../../../../core/restore/definition/part.ts";
import { element, writeKept } from "../../../../core/restore/definition/write_kept.ts";
import type { Schema, SchemaPlace } from "./schema_places.ts";

/** What a device needs before any of it makes sense. */
const needed: Readonly<Record<string, readonly Kept[]>> = {
  "domain/devices/disk": [element("target", { dev: "vda", bus: "virtio" })],
  "domain/devices/interface": [element("source", { network: "default" })],
  "domain/devices/channel": [element("target", { type: "virtio", name: "org.qemu.guest_agent.0" })],
  "domain/devices/memory": [element("target", {}, element("size", {}, "1024"))],
  "domain/devices/rng": [element("backend", { model: "random" }, "/dev/urandom")],
  "domain/devices/tpm": [element("backend", { type: "emulator" })],
  "domain/devices/crypto": [element("backend", { model: "builtin" })],
};

/**
 * Definitions with a value at one place of the schema: one with elements on the way as they are in most
 * guests, and with `all`, one for each kind that the device or the element itself can be.
 */
export function canaryDomains(
  { place }: SchemaPlace,
  value: string,
  { kinds }: Schema,
  all: boolean,
): readonly string[] {
  const [path = "", attribute] = place.split("@");
  const onTheWay = [...kinds].filter(([kind]) =>
    kind !== place && kind !== "domain@type" && `${path}/`.startsWith(`${kind.split("@")[0]}/`)
  );
  // Deep in a source, what the source is says nothing that the device does not say.
  const device = path.split("/").slice(0, 3).join("/");
  const choices: readonly (readonly [string, string])[] = onTheWay.filter(([kind]) =>
    [device, path].includes(kind.split("@")[0] ?? "")
  ).flatMap(([kind, words]) => words.map((word) => [kind, word] as const));
  const variants = [undefined, ...all ? choices : []];
  return variants.map((chosen) => {
    const kindOf = (at: string) => {
      const found: Record<string, string> = {};
      for (const [kind, words] of onTheWay) {
        const [owner, name = ""] = kind.split("@");
        if (owner !== at) continue;
        const usual = words.find((word) => usualKinds.has(`${kind}=${word}`)) ?? undefined;
        const word = chosen?.[0] === kind ? chosen[1] : usual;
        if (word !== undefined) found[name] = word;
      }
      return found;
    };
    return writeKept(build(path.split("/"), attribute, value, kindOf));
  });
}

const usualKinds = new Set([
  "domain/devices/disk@type=file",
  "domain/devices/disk@device=disk",
  "domain/devices/interface@type=network",
  "domain/devices/serial@type=pty",
  "domain/devices/console@type=pty",
  "domain/devices/parallel@type=pty",
  "domain/devices/channel@type=unix",
  "domain/devices/graphics@type=vnc",
  "domain/devices/video/model@type=virtio",
  "domain/devices/memory@model=dimm",
  "domain/devices/rng@model=virtio",
  "domain/devices/rng/backend@model=random",
  "domain/devices/tpm@model=tpm-crb",
  "domain/devices/tpm/backend@type=emulator",
  "domain/devices/controller@type=scsi",
  "domain/devices/input@type=tablet",
  "domain/devices/sound@model=ich9",
  "domain/devices/watchdog@model=i6300esb",
  "domain/devices/memballoon@model=virtio",
  "domain/devices/vsock@model=virtio",
  "domain/devices/crypto@model=virtio",
  "domain/devices/crypto@type=qemu",
  "domain/devices/audio@type=none",
  "domain/devices/hub@type=usb",
  "domain/devices/iommu@model=intel",
  "domain/devices/redirdev@type=spicevmc",
  "domain/devices/smartcard@mode=passthrough",
  "domain/devices/smartcard@type=spicevmc",
  "domain/sysinfo@type=smbios",
]);

function build(
  names: readonly string[],
  attribute: string | undefined,
  value: string,
  kindOf: (path: string) => Readonly<Record<string, string>>,
): Kept {
  const at = (index: number): Kept => {
    const path = names.slice(0, index + 1).join("/");
    const isLast = index === names.length - 1;
    const name = names[index] ?? "";
    const children = isLast ? [] : [at(index + 1)];
    const siblings = (needed[path] ?? []).filter((each) =>
      isLast || each.name !== names[index + 1]
    );
    const isText = isLast && attribute === undefined;
    return element(
      name,
      { ...kindOf(path), ...isLast && attribute !== undefined ? { [attribute]: value } : {} },
      ...isText ? [value] : [],
      ...children,
      ...siblings,
    );
  };
  const [, top] = names;
  const special = ["os", "devices", "name", "uuid", "memory"];
  const base = [
    ...top === "name" ? [] : [element("name", {}, "gw")],
    ...top === "uuid" ? [] : [element("uuid", {}, "6b7a1c9e-3f52-4d0e-9a41-0c5d8f2b7e11")],
    ...top === "memory" ? [] : [element("memory", { unit: "KiB" }, "1048576")],
  ];
  if (names.length === 1) {
    return element(
      "domain",
      { type: "kvm", ...attribute === undefined ? {} : { [attribute]: value } },
      ...base,
      element("os", {}, element("type", {}, "hvm")),
      element("devices"),
    );
  }
  const chain = at(1);
  const os = element("os", {}, element("type", { arch: "x86_64", machine: "q35" }, "hvm"));
  return element(
    "domain",
    { type: "kvm" },
    ...base,
    top === "os"
      ? {
        ...chain,
        children: [
          ...chain.children,
          ...chain.children.some(({ name }) => name === "type") ? [] : os.children,
        ],
      }
      : os,
    ...top === "devices" ? [chain] : [element("devices")],
    ...special.includes(top ?? "") && top !== "name" && top !== "uuid" && top !== "memory"
      ? []
      : [chain],
  );
}
