import type { FileInfo, Files } from "../sys/files.ts";

/** Why a path is not to be trusted, and how that is changed. */
export interface PathFault {
  /** A clause after a colon: `"/opt" can be written by others (mode 0777)`. */
  readonly reason: string;
  readonly hint: string;
}

/** As many links as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

/**
 * Finds out whether somebody else could change what a path leads to, as sshd does for its own files: every folder
 * and link on the way, and the file, must belong to root or to us, and nobody else may write to them. A folder
 * such as /tmp, in which each may remove only what is his own, is as good.
 *
 * @param path an absolute one
 * @param uid of this process
 * @returns `undefined` when nobody could, or nothing is there
 */
export async function pathFault(
  files: Pick<Files, "inspect" | "readLink">,
  path: string,
  uid: number,
): Promise<PathFault | undefined> {
  let rest = path.split("/").filter((part) => part !== "");
  let at = "";
  let links = 0;
  for (;;) {
    const info = await files.inspect(at === "" ? "/" : at);
    if (info === undefined) return undefined;
    const fault = faultOf(at || "/", info, uid);
    if (fault !== undefined) return fault;
    if (info.kind === "symlink") {
      if (++links > mostLinks) {
        return { reason: `"${path}" has too many links`, hint: `Look at it: namei -l ${path}` };
      }
      const target = await files.readLink(at);
      const parts = target.split("/").filter((part) => part !== "");
      rest = [...parts, ...rest];
      at = target.startsWith("/") ? "" : parentOf(at);
      continue;
    }
    let [next, ...others] = rest;
    while (next === "." || next === "..") {
      if (next === "..") at = parentOf(at);
      [next, ...others] = others;
    }
    if (next === undefined) return undefined;
    at = `${at}/${next}`;
    rest = others;
  }
}

function faultOf(path: string, info: FileInfo, uid: number): PathFault | undefined {
  const { kind, mode } = info;
  if (info.uid !== 0 && info.uid !== uid) {
    const owner = uid === 0 ? "root" : `root or ${uid}`;
    return {
      reason: `"${path}" belongs to user ${info.uid}, and not to ${owner}`,
      hint: `Run: chown ${uid === 0 ? "root" : uid}: ${path}`,
    };
  }
  const isSticky = kind === "directory" && (mode & 0o1000) !== 0;
  // A link has no mode of its own: who may change it is a matter of its folder.
  if (kind === "symlink" || (mode & 0o022) === 0 || isSticky) return undefined;
  const shown = mode.toString(8).padStart(4, "0");
  return {
    reason: `"${path}" can be written by others (mode ${shown})`,
    hint: `Run: chmod go-w ${path}`,
  };
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
