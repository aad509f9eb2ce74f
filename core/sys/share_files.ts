import { withDeadline } from "./deadline.ts";
import type { Files } from "./files.ts";

/** Deleting large files takes a server a while. */
const removalFactor = 20;

/**
 * The door to files on a share that may hang, and that others may write to: every operation has a deadline, and
 * none follows a link below `root` or opens what is no regular file. What hangs is left behind on a thread of its
 * own, and the caller goes on with an error.
 *
 * @param root folder of the share: paths are below it
 * @throws {VmbError} `deadline` from each operation that gave no answer in time, `share.outcome-unknown` from one
 *   that changes something; those of `Below`
 */
export function shareFiles(files: Files, root: string, timeoutMs: number): Files {
  const late = <T>(what: string, path: string, work: Promise<T>, factor = 1) =>
    withDeadline(`${what} of "${path}"`, timeoutMs * factor, work, {
      hint: "The NFS server is down or unreachable: look at it, then at dmesg on this machine",
    });
  const change = <T>(what: string, path: string, work: Promise<T>, factor = 1) =>
    withDeadline(`${what} of "${path}"`, timeoutMs * factor, work, {
      hint: "The NFS server is down or unreachable: when it answers again, run: vmb hv recover",
      changes: true,
    });
  const within = <T>(options?: T) => ({ ...options, below: root });
  return {
    readText: (path, options) => late("Read", path, files.readText(path, within(options))),
    read: (path, options) => late("Read", path, files.read(path, within(options))),
    readStart: (path, length, options) =>
      late("Read", path, files.readStart(path, length, within(options))),
    write: (path, content, options) =>
      change("Write", path, files.write(path, content, within(options))),
    appendTo: (path) => late("Opening", path, files.appendTo(path, within())),
    copy: (from, to, options) => change("Copy", to, files.copy(from, to, within(options))),
    makeFolder: (path, options) => change("Making", path, files.makeFolder(path, within(options))),
    list: (path) => late("Listing", path, files.list(path, within())),
    inspect: (path) => late("Look-up", path, files.inspect(path, within())),
    inspectTarget: (path) => late("Look-up", path, files.inspectTarget(path, within())),
    remove: (path) => change("Removal", path, files.remove(path, within()), removalFactor),
    rename: (from, to) => change("Renaming", from, files.rename(from, to, within())),
    syncFolder: (path) => change("Sync", path, files.syncFolder(path, within())),
    syncFile: (path) => change("Sync", path, files.syncFile(path, within())),
    own: (path, uid, gid) => change("Change of owner", path, files.own(path, uid, gid, within())),
    setMode: (path, mode) => change("Change of mode", path, files.setMode(path, mode, within())),
    makeLink: (path, target) => change("Linking", path, files.makeLink(path, target, within())),
    readLink: (path) => late("Look-up", path, files.readLink(path, within())),
    space: (path) => late("Look at the space", path, files.space(path, within())),
    lock: (path) => late("Lock", path, files.lock(path, within())),
    realPath: (path) => late("Look-up", path, files.realPath(path)),
  };
}
