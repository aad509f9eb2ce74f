import { XmlElement } from "@rgrove/parse-xml";
import { attribute, child, children, parseDomain } from "./xml_element.ts";

/** What a `<disk>` says of its image beyond a path and a format. */
export interface DiskParts {
  /** Where the image lies, in one word: a path, `pool/volume`, `nbd:name`. Equal for equal sources. */
  readonly place: string;
  /** Of a disk of type `volume`. */
  readonly volume: { readonly pool: string; readonly volume: string } | undefined;
  /**
   * Parts that only QEMU applies when it opens the image, such as `<source> <slices>`: its own export has
   * the guest's bytes, the image by itself has others.
   */
  readonly onlyLive: readonly string[];
  /** Parts of the disk and of its driver that this program does not know: they may change the bytes. */
  readonly unknown: readonly string[];
  /** The images below, as the XML itself wants them; `undefined` when it leaves that to the image. */
  readonly statedChain: readonly string[] | undefined;
}

/**
 * Children and (with `@`) attributes that are known, by libvirt's schema up to 11.10 (domaincommon.rng,
 * storagecommon.rng). What is in no list is not understood, and never passes in silence.
 *
 * @internal exported for the test that compares it with the schema of the installed libvirt
 */
export const knownParts = {
  disk: [
    ...["@device", "@model", "@rawio", "@sgio", "@snapshot", "@type"],
    ...["acpi", "address", "alias", "auth", "backenddomain", "backingStore", "blockio", "boot"],
    ...["driver", "encryption", "geometry", "iotune", "mirror", "privateData", "product"],
    ...["readonly", "serial", "shareable", "source", "target", "throttlefilters", "transient"],
    ...["vendor", "wwn"],
  ],
  driver: [
    ...["@ats", "@cache", "@copy_on_read", "@detect_zeroes", "@discard", "@discard_no_unref"],
    ...["@error_policy", "@event_idx", "@io", "@ioeventfd", "@iommu", "@iothread", "@name"],
    ...["@packed", "@page_per_vq", "@queue_size", "@queues", "@rerror_policy", "@type"],
    ...["iothreads", "metadata_cache", "statistics"],
  ],
  /** None of these changes which bytes the image has for the guest. */
  source: [
    ...["@dev", "@dir", "@file", "@index", "@managed", "@mode", "@name", "@namespace", "@path"],
    ...["@pool", "@protocol", "@startupPolicy", "@tls", "@tlsHostname", "@type", "@volume"],
    ...["address", "auth", "config", "encryption", "host", "identity", "initiator", "knownHosts"],
    ...["privateData", "readahead", "reconnect", "reservations", "seclabel", "ssl", "timeout"],
  ],
  /** Known too, and applied by QEMU alone. */
  sourceOnlyLive: ["@fdgroup", "@query", "cookies", "dataStore", "slices", "snapshot"],
  backingStore: ["@index", "@type", "backingStore", "format", "source"],
  format: ["@type", "metadata_cache"],
} as const;

/** Reads the parts of every disk of a domain, by target. */
export function diskParts(xml: string): ReadonlyMap<string, DiskParts> {
  const devices = child(parseDomain(xml), "devices");
  return new Map(
    (devices ? children(devices, "disk") : []).map((
      disk,
    ) => [attribute(child(disk, "target"), "dev") ?? "", partsOf(disk)]),
  );
}

function partsOf(disk: XmlElement): DiskParts {
  const source = child(disk, "source");
  const driver = child(disk, "driver");
  const pool = attribute(source, "pool");
  const volume = attribute(source, "volume");
  const backing = child(disk, "backingStore");
  return {
    place: placeOf(disk),
    volume: pool === undefined || volume === undefined ? undefined : { pool, volume },
    // What a <source> says ends with the restore, and QEMU's export is past it.
    onlyLive: [
      ...strangers(source, "source", knownParts.source),
      ...(backing === undefined ? [] : strangersBelow(backing)),
    ],
    unknown: [
      ...strangers(disk, "disk", knownParts.disk),
      ...strangers(driver, "driver", knownParts.driver),
    ],
    statedChain: backing && chainOf(backing),
  };
}

function strangersBelow(backing: XmlElement): readonly string[] {
  const next = child(backing, "backingStore");
  return [
    ...strangers(backing, "backingStore", knownParts.backingStore),
    ...strangers(child(backing, "format"), "format", knownParts.format),
    ...strangers(child(backing, "source"), "backingStore> <source", knownParts.source),
    ...(next === undefined ? [] : strangersBelow(next)),
  ];
}

/** Children and attributes of an element that are not in a list, each as one would look for it. */
function strangers(
  element: XmlElement | undefined,
  path: string,
  known: readonly string[],
): readonly string[] {
  if (element === undefined) return [];
  return [
    ...Object.keys(element.attributes).filter((name) => !known.includes(`@${name}`))
      .map((name) => `<${path} ${name}=...>`),
    ...element.children.flatMap((node) =>
      node instanceof XmlElement && !known.includes(node.name) ? [`<${path}> <${node.name}>`] : []
    ),
  ];
}

/** The images below a disk's own, nearest first. */
function chainOf(backing: XmlElement): readonly string[] {
  const next = child(backing, "backingStore");
  return child(backing, "source") === undefined
    ? []
    : [placeOf(backing), ...(next === undefined ? [] : chainOf(next))];
}

function placeOf(image: XmlElement): string {
  const source = child(image, "source");
  const path = attribute(source, "file") ?? attribute(source, "dev");
  if (path !== undefined) return path;
  const pool = attribute(source, "pool");
  if (pool !== undefined) return `${pool}/${attribute(source, "volume") ?? ""}`;
  const protocol = attribute(source, "protocol");
  if (protocol === undefined) {
    return attribute(source, "dir") ?? attribute(source, "path") ?? attribute(image, "type") ?? "";
  }
  const hosts = (source ? children(source, "host") : []).map((host) =>
    attribute(host, "socket") ??
      [attribute(host, "name"), attribute(host, "port")].filter((part) => part !== undefined).join(
        ":",
      )
  );
  return `${protocol}:${hosts.join(",")}/${attribute(source, "name") ?? ""}`;
}
