import assert from "node:assert/strict";
import { describeDomain } from "../../../../core/libvirt/domain_xml.ts";
import { testCopy } from "../../../../core/proof/test_domain.ts";
import {
  type DefinitionOptions,
  planDefinition,
} from "../../../../core/restore/plan_definition.ts";
import { copyParts } from "../../../../core/proof/copy_parts.ts";
import { type Part } from "../../../../core/restore/definition/part.ts";
import { cloneParts, ordinaryParts } from "../../../../core/restore/definition/restored_parts.ts";
import { canaryDomains } from "./canary_domain.ts";
import { parseSchema, readSchema, type Schema } from "./schema_places.ts";

const committed = parseSchema(
  await Deno.readTextFile(new URL("libvirt_places.tsv", import.meta.url)),
);

/** What becomes of a value at one place, over all that its elements can be. */
type Fate = "kept" | "replaced" | "dropped" | "refused";

/** Values that name something of the host, and whatever a number may be. */
const canaries = ["/canary/file", "777777"];

/** Of a copy: a random one could hold the number. */
const uuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

function isIn(text: string): boolean {
  return /canary|777777/.test(text);
}

function fateInCopy(xml: string, device: string): Fate {
  try {
    const { xml: text } = testCopy(xml, {
      ...{ name: "copy", uuid, nvram: undefined, network: "isolated" },
      disks: new Map([["vda", { path: "/run/vda.qcow2", format: "qcow2" }]]),
      ...{ consoleLog: "/run/c.log", isolatedNetwork: "net", userSession: false },
      ...{ bootFiles: new Map(), firmware: new Set() },
    });
    return isIn(text) ? "kept" : text.includes(`<${device}`) ? "replaced" : "dropped";
  } catch {
    return "refused";
  }
}

async function fateInRestore(xml: string, name: string | undefined, device: string): Promise<Fate> {
  try {
    const { xml: text, hostTies } = await planDefinition(
      {
        system: { files: { inspectTarget: () => Promise.resolve({}) } },
        facts: {
          domains: [],
          networks: new Map(),
          pools: new Set(),
          emulators: new Set(),
          firmware: new Set(),
        },
        request: { name, trustDefinition: false, keepOtherDisks: false },
        xml,
        imageFolders: ["/images"],
        today: undefined,
        replaced: undefined,
        rewrite: {
          ...{ name: name ?? "gw", newMacs: name !== undefined, nvram: undefined },
          uuid: name === undefined ? "6b7a1c9e-3f52-4d0e-9a41-0c5d8f2b7e11" : uuid,
          disks: new Map([["vda", { path: "/images/vda.qcow2", format: "qcow2" }]]),
          network: { kind: "keep" },
        },
      } as unknown as DefinitionOptions,
    );
    assert.ok(describeDomain(text));
    if (hostTies.length > 0) return "refused";
    return isIn(text) ? "kept" : text.includes(`<${device}`) ? "replaced" : "dropped";
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return "refused";
  }
}

/** Whether a part has a place for the value, whatever the value and the kinds on the way. */
function isPlaced(part: Part, names: readonly string[], attribute: string | undefined): boolean {
  const [name, ...rest] = names;
  if (part.opaque) return true;
  if (name !== undefined) {
    if (!Object.hasOwn(part.parts ?? {}, name)) return false;
    return [part.parts?.[name] ?? []].flat().some((inner) => isPlaced(inner, rest, attribute));
  }
  if (attribute === undefined) return part.text !== undefined;
  return Object.hasOwn(part.is ?? {}, attribute) || Object.hasOwn(part.attributes ?? {}, attribute);
}

interface Use {
  readonly name: string;
  readonly part: Part;
  readonly fate: (xml: string, device: string) => Fate | Promise<Fate>;
  /** Places at which a text that is a path may stand, because only guests and people read it. */
  readonly texts: RegExp;
}

/** Where a device sits in the guest, and what its firmware and its kernel are told. */
const guestTexts = /^domain\/(os\/cmdline|sysinfo\/\w+\/entry|devices\/disk\/(vendor|product))$/;
const people = /^domain\/(title|description|metadata\/.*|devices\/graphics@passwd)$/;
/** Names of libvirt's own networks and filters; a virtual port's profile is one of the switch. */
const networks =
  /^domain\/devices\/(interface\/(source@(network|portgroup)|filterref(@filter|\/parameter@value)|virtualport\/parameters@\w+)|graphics\/listen@network)$/;

const uses: readonly Use[] = [
  { name: "test copy", part: copyParts, fate: fateInCopy, texts: guestTexts },
  {
    name: "clone",
    part: cloneParts,
    fate: (xml, device) => fateInRestore(xml, "new", device),
    texts: RegExp([guestTexts, people, networks].map(({ source }) => source).join("|")),
  },
  {
    name: "restore",
    part: ordinaryParts,
    fate: (xml, device) => fateInRestore(xml, undefined, device),
    texts: RegExp(
      [
        guestTexts,
        people,
        networks,
        /^domain\/(resource\/partition|launchSecurity\/(session|dhCert))$/,
      ]
        .map(({ source }) => source).join("|"),
    ),
  },
];

/** Numbers that are the host's, and not an address inside the guest. */
const hostNumber =
  /(cpuset|nodeset|graphics@(port|tlsPort|websocket)|vsock\/cid@address|hostdev|source@(port|service|namespace)$|portForward)/;

async function fatesOf(schema: Schema, { part, fate }: Use): Promise<ReadonlyMap<string, Fate>> {
  const fates = new Map<string, Fate>();
  for (const place of schema.places) {
    const [path = "", attribute] = place.place.split("@");
    const [, top = "", third = ""] = path.split("/");
    const device = top === "devices" ? third : top;
    const placed = isPlaced(part, path.split("/").slice(1), attribute);
    // Addresses are the same for every device.
    const all = placed && !/\/(address|alias|acpi|boot)[@/]/.test(place.place);
    const found = new Set<Fate>();
    for (const canary of placed ? canaries : canaries.slice(0, 1)) {
      for (const xml of new Set(canaryDomains(place, canary, schema, all))) {
        const becomes = await fate(xml, device);
        if (becomes === "kept" && canary.includes("canary")) {
          fates.set(`${place.place} as a path`, "kept");
        }
        found.add(becomes);
      }
    }
    fates.set(place.place, worst.find((each) => found.has(each)) ?? "dropped");
  }
  return fates;
}

const worst: readonly Fate[] = ["kept", "replaced", "refused", "dropped"];

for (const use of uses) {
  Deno.test(`judge: a ${use.name} takes no path at any place of libvirt ${committed.version}'s schema`, async () => {
    const fates = await fatesOf(committed, use);
    const paths = [...fates.keys()].filter((place) => place.endsWith(" as a path"))
      .map((place) => place.replace(" as a path", ""));
    assert.deepEqual(paths.filter((place) => !use.texts.test(place)), []);
    assert.ok(paths.length > 5, "the canary is seen where it may stand");
    const kept = committed.places.filter(({ place }) => fates.get(place) === "kept");
    if (use.part !== ordinaryParts) {
      assert.deepEqual(kept.filter(({ place }) => hostNumber.test(place)), []);
    }
    const counts = worst.map((fate) =>
      `${fate} ${committed.places.filter(({ place }) => fates.get(place) === fate).length}`
    );
    console.log(`  ${use.name}: ${committed.places.length} places: ${counts.join(", ")}`);
  });
}

Deno.test("judge: the schema of the libvirt that is installed has no place that a copy or a clone takes and the table has not", async () => {
  const folder = "/usr/share/libvirt/schemas";
  if (!await Deno.stat(`${folder}/domain.rng`).then(() => true, () => false)) return;
  const installed = await readSchema(folder, "installed");
  const known = new Set(committed.places.map(({ place }) => place));
  const more = installed.places.filter(({ place }) => !known.has(place));
  for (const use of uses) {
    const fates = await fatesOf({ ...installed, places: more }, use);
    const taken = [...fates].filter(([, fate]) => fate === "kept").map(([place]) => place)
      .filter((place) =>
        place.endsWith(" as a path") && !use.texts.test(place.split(" ")[0] ?? "")
      );
    assert.deepEqual(taken, [], use.name);
  }
});
