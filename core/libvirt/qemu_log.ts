import type { System } from "../sys/system.ts";
import type { Domain } from "./domain.ts";

/** Bytes of a log's end that are looked at: a start and what QEMU said last. */
const tailBytes = 65_536;

/** Where libvirt keeps what a domain's QEMU says: of root's libvirt, or of a person's own. */
export function qemuLogPath(
  host: Pick<System["host"], "env">,
  uri: string,
  { name }: Domain,
): string {
  if (!/^[^:]*:\/\/[^/]*\/session\b/.test(uri)) return `/var/log/libvirt/qemu/${name}.log`;
  const cache = host.env("XDG_CACHE_HOME") ?? `${host.env("HOME") ?? "/root"}/.cache`;
  return `${cache}/libvirt/qemu/log/${name}.log`;
}

/** The end of a domain's QEMU log; empty when there is none to be read. */
export async function readQemuLog(
  { processes, host }: Pick<System, "processes" | "host">,
  uri: string,
  domain: Domain,
): Promise<string> {
  const path = qemuLogPath(host, uri, domain);
  const done = await processes.run(["tail", `--bytes=${tailBytes}`, "--", path]);
  return done.code === 0 ? done.stdout : "";
}

/**
 * What QEMU itself said last, without what libvirt writes about starts and ends. The guest can make it speak:
 * lines are few and short, and of printable characters.
 */
export function lastWords(log: string, count = 3): readonly string[] {
  return log.split("\n")
    // deno-lint-ignore no-control-regex -- control characters are exactly what must go
    .map((line) => line.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim())
    .filter((line) => line !== "" && !isLibvirts(line))
    .slice(-count)
    .map((line) => line.length > 300 ? `${line.slice(0, 300)}...` : line);
}

/** The version of QEMU that the log's last start was of: a running VM keeps it when the host gets another. */
export function startedVersion(log: string): string | undefined {
  return [...log.matchAll(/starting up libvirt version:.*? qemu version: (\d+\.\d+\.\d+)/g)]
    .at(-1)?.[1];
}

/** Why the domain ended last, in libvirt's word: `crashed`, `destroyed`, `shutdown`. */
export function lastEnd(log: string): string | undefined {
  return [...log.matchAll(/shutting down, reason=(\w+)/g)].at(-1)?.[1];
}

/** Dates before words of libvirt, and the command line of a start, which ends its lines by a backslash. */
function isLibvirts(line: string): boolean {
  return /^\d{4}-\d\d-\d\d .*(starting up libvirt|shutting down|Domain id=)/.test(line) ||
    /\\$|^-msg |^char device redirected/.test(line);
}
