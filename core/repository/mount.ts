/** A mounted file system, as /proc/self/mountinfo tells it (proc(5)). */
export interface Mount {
  readonly point: string;
  readonly type: string;
  readonly source: string;
  readonly readonly: boolean;
}

/**
 * Finds the mount that holds a path, by text alone: asking the path itself may hang on a dead server.
 *
 * @param mountinfo content of /proc/self/mountinfo
 */
export function mountOf(path: string, mountinfo: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    const [before, after] = line.split(" - ");
    if (before === undefined || after === undefined) continue;
    const fields = before.split(" ");
    const [type, source, superOptions] = after.split(" ");
    const point = unescapeOctal(fields[4] ?? "");
    const holds = point === "/" || path === point || path.startsWith(`${point}/`);
    // Of two mounts on one point the later one is on top.
    if (!holds || (found && point.length < found.point.length)) continue;
    const options = `${fields[5]},${superOptions}`.split(",");
    found = {
      point,
      type: type ?? "",
      source: unescapeOctal(source ?? ""),
      readonly: options.includes("ro"),
    };
  }
  return found;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}
