import { alsoFailed, toVmbError, type VmbError } from "../error.ts";
import { beginJournal, type Journal } from "../journal/journal.ts";
import type { Domain } from "../libvirt/domain.ts";
import type { DomainDescription } from "../libvirt/domain_xml.ts";
import { undoRun } from "../undo/undo_run.ts";
import { makeRunFolders } from "../journal/folders.ts";
import { isOutcomeUnknown } from "../sys/deadline.ts";
import type { Run } from "./open_run.ts";

/**
 * Does something whose every step stands in a journal before it changes anything. Whatever is still held at
 * its end is undone, the guest first; what cannot be undone stays in the journal for `vmb hv recover`.
 *
 * @param domain what is changed: the VM itself, or a copy of it
 * @param options with `vm`, the VM in whose name it happens, where that is not the domain's; with `owner`, the
 *   user of the QEMU that works in the run's scratch folder
 * @throws {VmbError} of the body; if undoing fails too, both are told
 */
export async function withJournal<T>(
  run: Run,
  domain: Domain,
  body: (journal: Journal) => Promise<T>,
  options: {
    readonly vm?: string | undefined;
    readonly owner?: DomainDescription["owner"] | undefined;
  } = {},
): Promise<T> {
  const { system, settings, report, scratchFolder, stagingFolder, shareTimeoutMs } = run;
  const journal = await beginJournal(system.files, settings.stateDir, {
    step: "begin",
    run: run.runId,
    vm: options.vm ?? domain.name,
    uuid: domain.uuid,
    uri: run.virsh.uri,
    pid: system.host.pid,
    scratchFolder,
    stagingFolder,
    time: run.startedAt.toISOString(),
  });
  let outcome: { readonly value: T } | undefined;
  let failure: VmbError | undefined;
  try {
    await makeRunFolders(system, run, options.owner);
    outcome = { value: await body(journal) };
  } catch (thrown) {
    failure = toVmbError(thrown);
    report({ kind: "error", text: failure.message, hint: failure.hint });
    report({ kind: "phase", phase: "undo", text: "Undoing what was begun" });
  }
  if (failure === undefined && journal.outstanding().kept) {
    await journal.abandon();
  } else {
    try {
      const outcomeUnknown = isOutcomeUnknown(failure);
      await undoRun(journal, { system, report, shareTimeoutMs, outcomeUnknown });
    } catch (thrown) {
      const undo = toVmbError(thrown);
      report({ kind: "error", text: undo.message, hint: undo.hint });
      failure = failure === undefined ? undo : alsoFailed(failure, undo);
    }
  }
  if (failure !== undefined) throw failure;
  if (outcome === undefined) throw new Error("a run ended with neither a value nor an error");
  return outcome.value;
}
