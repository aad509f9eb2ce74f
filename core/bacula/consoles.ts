import { resourceNames } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Line, list, type Resource } from "./resource.ts";
import { secretFiles } from "./secret_files.ts";

/** What the monitor may say: it looks, and changes nothing. `show` would print whole resources. */
const monitorCommands = [
  ...["help", "version", "quit", "exit", "time", "status", "list", "llist", "wait"],
  ...[".api", ".jobs", ".clients", ".pools", ".storages", ".status", ".messages"],
];

/** A console sees nothing of a kind of resource unless it is told to. */
const everything: readonly Line[] = [
  ...["Job ACL", "Client ACL", "Storage ACL", "Schedule ACL", "Pool ACL", "FileSet ACL"],
  "Catalog ACL",
].map((acl) => [acl, list(["*all*"])]);

/** Consoles that the Director knows: one that may do all, and one that may only look. */
export function directorConsoles(places: BaculaPlaces): readonly Resource[] {
  return [
    knownConsole(resourceNames.adminConsole, "console", places, [
      ["Command ACL", list(["*all*"])],
      ["Where ACL", list(["*all*"])],
    ]),
    knownConsole(resourceNames.monitorConsole, "monitor", places, [
      ["Command ACL", list(monitorCommands)],
    ]),
  ];
}

/** The configuration of bconsole for one of the consoles. */
export function consoleConfig(
  who: "admin" | "monitor",
  places: BaculaPlaces,
): readonly Resource[] {
  const [name, secret] = who === "admin"
    ? [resourceNames.adminConsole, secretFiles.console]
    : [resourceNames.monitorConsole, secretFiles.monitor];
  const password = { include: `${places.secrets}/${secret.name}` };
  return [
    {
      kind: "Director",
      lines: [
        ["Name", resourceNames.director],
        ["Address", places.director.host],
        ["DirPort", places.director.port],
        password,
      ],
    },
    { kind: "Console", lines: [["Name", name], ["Director", resourceNames.director], password] },
  ];
}

function knownConsole(
  name: string,
  secret: "console" | "monitor",
  places: BaculaPlaces,
  lines: readonly Line[],
): Resource {
  return {
    kind: "Console",
    lines: [
      ["Name", name],
      { include: `${places.secrets}/${secretFiles[secret].name}` },
      ...lines,
      ...everything,
    ],
  };
}
