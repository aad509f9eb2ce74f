/** A mounted file system, as /proc/self/mountinfo tells it (proc(5)). */
export interface Mount {
  readonly point: string;
  readonly type: string;
  readonly source: string;
  /** `major:minor`: mounts of one file system have the same one, bind mounts too. */
  readonly device: string;
  readonly readonly: boolean;
}

interface Entry extends Mount {
  readonly id: string;
  readonly parent: string;
}

/**
 * Finds the mount that holds a path, by text alone: asking the path itself may hang on a dead server.
 *
 * @param path without symlinks
 * @param mountinfo content of /proc/self/mountinfo
 */
export function mountOf(path: string, mountinfo: string): Mount | undefined {
  const found = entryOf(path, entriesOf(mountinfo));
  if (found === undefined) return undefined;
  const { id: _, parent: __, ...mount } = found;
  return mount;
}

/** Where a path lies, as far as it can be told from its mounts. */
export type Standing =
  /** A mount of its own: what lies there does not lie in the folder that it hides. */
  | "mounted"
  /** A folder of some mount, or the same file system mounted once more. */
  | "folder"
  /** On the root file system: if the share is not mounted, this is what is seen. */
  | "root";

/**
 * Tells a mount of its own from a folder of another one. A bind mount of a folder of the root disk is no share,
 * and neither is a subvolume of it: the device decides, not that something is mounted.
 */
export function standingOf(path: string, mountinfo: string): Standing {
  const entries = entriesOf(mountinfo);
  const own = entryOf(path, entries);
  const root = entryOf("/", entries);
  if (own === undefined || own.point === "/" || own.device === root?.device) return "root";
  const above = entryOf(parentOf(path), entries);
  return own.point === path && own.device !== above?.device ? "mounted" : "folder";
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function entryOf(path: string, entries: readonly Entry[]): Entry | undefined {
  let found: Entry | undefined;
  for (const [index, entry] of entries.entries()) {
    const { point } = entry;
    // Of two mounts on one point the later one is on top.
    if (!holds(point, path) || (found && point.length < found.point.length)) continue;
    if (!isHidden(entry, entries.slice(index + 1), entries)) found = entry;
  }
  return found;
}

/** A later mount on a folder above hides what was mounted below it, unless that lies on top of it. */
function isHidden(entry: Entry, later: readonly Entry[], entries: readonly Entry[]): boolean {
  const lineage = new Set<string>();
  for (let at: Entry | undefined = entry; at !== undefined && !lineage.has(at.id);) {
    const { id, parent }: Entry = at;
    lineage.add(id);
    at = entries.find((each) => each.id === parent);
  }
  return later.some(({ id, point }) =>
    point !== entry.point && holds(point, entry.point) && !lineage.has(id)
  );
}

function holds(point: string, path: string): boolean {
  return point === "/" || path === point || path.startsWith(`${point}/`);
}

function entriesOf(mountinfo: string): readonly Entry[] {
  const entries: Entry[] = [];
  for (const line of mountinfo.split("\n")) {
    const [before, after] = line.split(" - ");
    if (before === undefined || after === undefined) continue;
    const [id = "", parent = "", device = "", , point = "", own = ""] = before.split(" ");
    const [type = "", source = "", superOptions = ""] = after.split(" ");
    entries.push({
      ...{ id, parent, device, type },
      point: unescapeOctal(point),
      source: unescapeOctal(source),
      readonly: `${own},${superOptions}`.split(",").includes("ro"),
    });
  }
  return entries;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}
