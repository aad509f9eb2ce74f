import type { Outside } from "./part.ts";

/**
 * Tells a person what is outside, one phrase for each: `hostdev mode=subsystem type=pci ...`,
 * `interface/source@path /run/x`. The words are those of the definition: whoever prints them escapes them.
 */
export function outsideNames(outside: readonly Outside[]): readonly string[] {
  return outside.map(({ path, value }) => {
    const name = path.replace(/^domain\/(devices\/)?/, "");
    // A command line of QEMU may hold secrets.
    return /:|passw|secret/i.test(name) ? name : `${name} ${value}`.trim();
  });
}
