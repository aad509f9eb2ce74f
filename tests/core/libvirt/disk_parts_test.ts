import assert from "node:assert/strict";
import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { diskParts, knownParts } from "../../../core/libvirt/disk_parts.ts";

/** One `<disk>`, and which of its parts only QEMU applies, or nobody knows. */
const table: readonly [xml: string, onlyLive: readonly string[], unknown: readonly string[]][] = [
  [
    `<disk type='file'><driver name='qemu' type='qcow2' cache='none' discard='unmap' queues='2'/>
     <source file='/a' startupPolicy='optional'><seclabel model='dac' relabel='no'/></source>
     <target dev='vda' bus='virtio'/><iotune><total_bytes_sec>1</total_bytes_sec></iotune>
     <blockio logical_block_size='4096'/><serial>x</serial><boot order='1'/><readonly/></disk>`,
    [],
    [],
  ],
  [
    `<disk type='file'><source file='/pack'><slices><slice type='storage' offset='1' size='2'/></slices></source></disk>`,
    ["<source> <slices>"],
    [],
  ],
  [
    `<disk type='file'><source file='/a'/><backingStore type='file'><format type='raw'/><source file='/b'><slices><slice type='storage' offset='0' size='512'/></slices></source><backingStore/></backingStore></disk>`,
    ["<backingStore> <source> <slices>"],
    [],
  ],
  [
    `<disk type='file'><source file='/a'><dataStore type='file'><format type='raw'/><source file='/d'/></dataStore></source></disk>`,
    ["<source> <dataStore>"],
    [],
  ],
  [
    `<disk type='network'><source protocol='rbd' name='p/i'><host name='c'/><snapshot name='golden'/></source></disk>`,
    ["<source> <snapshot>"],
    [],
  ],
  [`<disk type='file'><source file='/a' fdgroup='g'/></disk>`, ["<source fdgroup=...>"], []],
  [
    `<disk type='network'><source protocol='https' name='i' query='part=2'><host name='h'/><cookies><cookie name='a'>b</cookie></cookies></source></disk>`,
    ["<source query=...>", "<source> <cookies>"],
    [],
  ],
  [`<disk type='file'><source file='/a'><window start='5'/></source></disk>`, [
    "<source> <window>",
  ], []],
  [`<disk type='file'><driver type='raw' key='5'/><source file='/a'/></disk>`, [], [
    "<driver key=...>",
  ]],
  [`<disk type='file' view='odd'><source file='/a'/><transform/></disk>`, [], [
    "<disk view=...>",
    "<disk> <transform>",
  ]],
  [`<disk type='file'><driver type='raw'><filter/></driver><source file='/a'/></disk>`, [], [
    "<driver> <filter>",
  ]],
];

Deno.test("diskParts names whatever of a disk could show the guest other bytes than its image has", () => {
  for (const [xml, onlyLive, unknown] of table) {
    const parts = partsOf(xml);
    assert.deepEqual(parts?.onlyLive, onlyLive, xml);
    assert.deepEqual(parts?.unknown, unknown, xml);
  }
});

Deno.test("diskParts tells where any kind of disk lies, and which chain its XML wants", () => {
  const places: readonly [string, string][] = [
    [`<disk type='file'><source file='/a/b'/></disk>`, "/a/b"],
    [`<disk type='block'><source dev='/dev/vg/x'/></disk>`, "/dev/vg/x"],
    [`<disk type='volume'><source pool='p' volume='v.qcow2'/></disk>`, "p/v.qcow2"],
    [
      `<disk type='network'><source protocol='nbd' name='e'><host transport='unix' socket='/s'/></source></disk>`,
      "nbd:/s/e",
    ],
    [
      `<disk type='network'><source protocol='rbd' name='p/i'><host name='a' port='1'/><host name='b'/></source></disk>`,
      "rbd:a:1,b/p/i",
    ],
    [`<disk type='vhostuser'><source type='unix' path='/v.sock'/></disk>`, "/v.sock"],
    [`<disk type='dir'><source dir='/d'/></disk>`, "/d"],
    [`<disk type='file' device='cdrom'/>`, "file"],
  ];
  for (const [xml, place] of places) assert.equal(partsOf(xml)?.place, place, xml);
  assert.equal(partsOf(`<disk type='file'><source file='/a'/></disk>`)?.statedChain, undefined);
  assert.deepEqual(
    partsOf(`<disk type='file'><source file='/a'/><backingStore/></disk>`)?.statedChain,
    [],
  );
  assert.deepEqual(
    partsOf(
      `<disk type='file'><source file='/a'/><backingStore type='file'><format type='qcow2'/><source file='/b'/><backingStore type='block'><format type='raw'/><source dev='/dev/c'/><backingStore/></backingStore></backingStore></disk>`,
    )?.statedChain,
    ["/b", "/dev/c"],
  );
});

const schemas = "/usr/share/libvirt/schemas";
const isInstalled = await Deno.stat(`${schemas}/domaincommon.rng`).then(() => true, () => false);

Deno.test({
  name: "knownParts has every child and attribute that the installed libvirt's schema allows",
  ignore: !isInstalled,
  async fn() {
    const schema = await readSchema();
    const known: Readonly<Record<string, readonly string[]>> = {
      disk: knownParts.disk,
      driver: knownParts.driver,
      source: [...knownParts.source, ...knownParts.sourceOnlyLive],
      backingStore: knownParts.backingStore,
    };
    for (const [name, names] of Object.entries(known)) {
      const allowed = schema.partsOf("disk", name);
      assert.ok(allowed.size > 3, `the schema tells nothing of <${name}>`);
      assert.deepEqual([...allowed].filter((part) => !names.includes(part)), [], `<${name}>`);
    }
  },
});

function partsOf(disk: string) {
  const xml = disk.replace(
    /<disk([^>]*?)(\/?)>/,
    (_, attributes, slash) =>
      `<disk${attributes}>${disk.includes("<target") ? "" : "<target dev='vda'/>"}${
        slash === "/" ? "</disk>" : ""
      }`,
  );
  return diskParts(`<domain><devices>${xml}</devices></domain>`).get("vda");
}

/** Enough of RELAX NG to ask which children and attributes an element of a definition may have. */
async function readSchema() {
  const definitions = new Map<string, XmlElement[]>();
  for await (const { name } of Deno.readDir(schemas)) {
    if (!/^(domaincommon|domainoverrides|storagecommon|basictypes|privatedata)\.rng$/.test(name)) {
      continue;
    }
    const root = parseXml(await Deno.readTextFile(`${schemas}/${name}`)).root;
    for (const element of root?.children ?? []) {
      if (!(element instanceof XmlElement) || element.name !== "define") continue;
      const key = element.attributes["name"] ?? "";
      definitions.set(key, [...definitions.get(key) ?? [], element]);
    }
  }
  /** Calls `visit` for each element and attribute below a node, looking into elements only when `visit` says so. */
  const walk = (
    node: XmlElement,
    visit: (element: XmlElement) => boolean,
    seen: ReadonlySet<string> = new Set(),
  ) => {
    for (const child of node.children) {
      if (!(child instanceof XmlElement)) continue;
      if (child.name === "ref") {
        const key = child.attributes["name"] ?? "";
        if (seen.has(key)) continue;
        for (const definition of definitions.get(key) ?? []) {
          walk(definition, visit, new Set([...seen, key]));
        }
      } else if (child.name !== "element" && child.name !== "attribute") walk(child, visit, seen);
      else if (visit(child)) walk(child, visit, seen);
    }
  };
  const partsBelow = (element: XmlElement) => {
    const parts = new Set<string>();
    walk(element, (part) => {
      parts.add(`${part.name === "attribute" ? "@" : ""}${part.attributes["name"]}`);
      return false;
    });
    return parts;
  };
  return {
    partsOf(definition: string, name: string): ReadonlySet<string> {
      const parts = new Set<string>();
      for (const root of definitions.get(definition) ?? []) {
        walk(root, (element) => {
          const found = element.name === "element" && element.attributes["name"] === name;
          if (found) { for (const part of partsBelow(element)) parts.add(part); }
          // Below a mirror or a backing image lie elements of the same name.
          return element.attributes["name"] === "disk";
        });
      }
      return parts;
    },
  };
}
