import { standingAlone } from "../image/backup_image.ts";
import type { Processes } from "../sys/process.ts";

/** What `qemu-img check` knows of an image (qemu-img(1), `check`: exit status 2 and 3). */
const statusNames: Readonly<Record<number, string>> = {
  1: "it cannot be checked",
  2: "its tables are damaged",
};

/**
 * Checks the tables of an image, which read quickly whatever its size; its data is not looked at.
 *
 * @returns what is wrong; clusters that are only lost harm nobody
 */
export async function imageProblem(
  processes: Pick<Processes, "run">,
  path: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<string | undefined> {
  const done = await processes.run(
    ["qemu-img", "check", "-q", standingAlone(path)],
    options,
  );
  if (done.code === 0 || done.code === 3) return undefined;
  const words = (done.stderr.trim() || done.stdout.trim()).split("\n")[0] ?? "";
  return `${statusNames[done.code] ?? `qemu-img check ended with ${done.code}`}: ${words}`;
}
