import { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { Journal } from "../journal/journal.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";

/** What settling needs of an undoing. */
export interface SettleContext {
  readonly system: Pick<System, "files">;
  readonly journal: Journal;
  readonly report: Report;
  readonly shareTimeoutMs: number;
  readonly outcomeUnknown?: boolean;
}

/**
 * Decides from what is there what became of the folders that a run wrote on the share: one that has its final name is
 * published, for that comes last; another one is removed. Where a change gave no answer in this process, it may
 * happen yet: then a later process decides.
 *
 * @throws {VmbError} `undo.outcome-unknown`, or what the share said; the journal then keeps the folder
 */
export async function settlePartials(context: SettleContext): Promise<void> {
  const { journal, outcomeUnknown = false } = context;
  const { partials } = journal.outstanding();
  const [first] = partials;
  if (outcomeUnknown && first !== undefined) {
    throw new VmbError(`What becomes of "${first}" is decided when the share answers again`, {
      code: "undo.outcome-unknown",
      hint: "The next run decides it, or: vmb hv recover",
    });
  }
  for (const path of partials) {
    await settle(context, path);
    await journal.write({ step: "partial-gone", path });
  }
}

async function settle(
  { system, report, shareTimeoutMs }: SettleContext,
  path: string,
): Promise<void> {
  const slash = path.lastIndexOf("/");
  const [parent, name] = [path.slice(0, slash), path.slice(slash + 1)];
  const share = shareFiles(system.files, parent, shareTimeoutMs);
  const [, finalName] = /^\.(\d{4}-\d{2}-\d{2}-\d{6})\.partial$/.exec(name) ?? [];
  const doomed = `${parent}/.removed-${name.slice(1)}`;
  await share.remove(doomed);
  if (await share.inspect(path) === undefined) {
    const final = finalName && `${parent}/${finalName}`;
    if (final !== undefined && await share.inspect(final) !== undefined) {
      report({
        kind: "info",
        text: `"${final}" was published: the share took it after it was given up`,
      });
    }
    return;
  }
  // Under another name, a rename of the past that comes late finds nothing to publish.
  await share.rename(path, doomed);
  await share.remove(doomed);
  report({ kind: "info", text: `Removed the partial backup "${path}"` });
}
