import { diskParts } from "../libvirt/disk_parts.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";

/** One sentence for each disk that a running domain has otherwise than its next start will; removable media aside. */
export function definitionDifferences(definition: string, live: string): readonly string[] {
  const [next, now] = [disksOf(definition), disksOf(live)];
  return [
    ...[...now].flatMap(([target, image]) => {
      const later = next.get(target);
      if (later === undefined) {
        return [
          `disk ${target} ("${image.place}") is attached to the running VM alone: its next start is without it`,
        ];
      }
      return later.place === image.place && later.format === image.format ? [] : [
        `disk ${target} is "${image.place}" (${image.format}) now, and after the next start "${later.place}" (${later.format})`,
      ];
    }),
    ...[...next].filter(([target]) => !now.has(target)).map(([target, image]) =>
      `disk ${target} ("${image.place}") comes with the next start: the running VM has no such disk, and the backup neither`
    ),
  ];
}

function disksOf(
  xml: string,
): ReadonlyMap<string, { readonly place: string; readonly format: string }> {
  const parts = diskParts(xml);
  return new Map(
    describeDomain(xml).disks
      .filter(({ device }) => device !== "cdrom" && device !== "floppy")
      .map(({ target, format }) => [target, { place: parts.get(target)?.place ?? "", format }]),
  );
}
