import type { Kept } from "./part.ts";
import { scaledBytes } from "./scaled_bytes.ts";

/**
 * Bytes of memory that a domain takes from its host at most: what it starts with, by `<memory>` or by its
 * NUMA cells, the boards plugged into it, its video memory, and what an emulated processor caches.
 *
 * @returns `undefined` when it says none that libvirt would understand
 */
export function guestMemory(domain: Kept): number | undefined {
  const amounts = (path: string) => elements(domain, path.split("/")).map(bytesOf);
  const cells = elements(domain, ["cpu", "numa", "cell"]).map(({ attributes }) =>
    scaledBytes(attributes["memory"] ?? "", attributes["unit"])
  );
  const video = elements(domain, ["devices", "video", "model"]).flatMap(({ attributes }) =>
    ["vram", "ram", "vgamem", "vram64"].map((name) => scaledBytes(attributes[name] ?? "0"))
  );
  const plugged = [
    ...amounts("devices/memory/target/size"),
    ...amounts("features/tcg/tb-cache"),
    ...video,
  ];
  const start = amounts("memory")[0];
  const all = [start, ...cells, ...plugged];
  if (all.some((bytes) => bytes === undefined)) return undefined;
  return Math.max(start ?? 0, sum(cells)) + sum(plugged);
}

function elements(parent: Kept, [name, ...rest]: readonly string[]): readonly Kept[] {
  const found = parent.children.filter((child) => child.name === name);
  return rest.length === 0 ? found : found.flatMap((child) => elements(child, rest));
}

function bytesOf({ text = "", attributes }: Kept): number | undefined {
  return scaledBytes(text, attributes["unit"]);
}

function sum(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((total, each) => total + (each ?? 0), 0);
}
