import { withDeadline } from "./deadline.ts";
import type { Files } from "./files.ts";

/** Deleting large files takes a server a while. */
const removalFactor = 20;

/**
 * The door to files on a share that may hang: every operation has a deadline. What hangs is left behind on a
 * thread of its own, and the caller goes on with an error.
 *
 * @throws {VmbError} `deadline` from each operation that gave no answer in time
 */
export function shareFiles(files: Files, timeoutMs: number): Files {
  const late = <T>(what: string, path: string, work: Promise<T>, factor = 1) =>
    withDeadline(`${what} of "${path}"`, timeoutMs * factor, work, {
      hint: "The NFS server is down or unreachable: look at it, then at dmesg on this machine",
    });
  return {
    readText: (path) => late("Read", path, files.readText(path)),
    read: (path) => late("Read", path, files.read(path)),
    write: (path, content, options) => late("Write", path, files.write(path, content, options)),
    appendTo: (path) => late("Opening", path, files.appendTo(path)),
    copy: (from, to, options) => late("Copy", to, files.copy(from, to, options)),
    makeFolder: (path, options) => late("Making", path, files.makeFolder(path, options)),
    list: (path) => late("Listing", path, files.list(path)),
    inspect: (path) => late("Look-up", path, files.inspect(path)),
    inspectTarget: (path) => late("Look-up", path, files.inspectTarget(path)),
    remove: (path) => late("Removal", path, files.remove(path), removalFactor),
    rename: (from, to) => late("Renaming", from, files.rename(from, to)),
    syncFolder: (path) => late("Sync", path, files.syncFolder(path)),
    syncFile: (path) => late("Sync", path, files.syncFile(path)),
    own: (path, uid, gid) => late("Change of owner", path, files.own(path, uid, gid)),
    setMode: (path, mode) => late("Change of mode", path, files.setMode(path, mode)),
    makeLink: (path, target) => late("Linking", path, files.makeLink(path, target)),
    readLink: (path) => late("Look-up", path, files.readLink(path)),
    space: (path) => late("Look at the space", path, files.space(path)),
    lock: (path) => late("Lock", path, files.lock(path)),
    realPath: (path) => late("Look-up", path, files.realPath(path)),
  };
}
