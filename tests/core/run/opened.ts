import type { Settings } from "../../../core/config/settings.ts";
import type { Event } from "../../../core/event.ts";
import { openRun, type Run, type RunSubject } from "../../../core/run/open_run.ts";
import { mountOf } from "../../../core/repository/mount.ts";
import { realSystem, type System } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

export interface Opened extends AsyncDisposable {
  readonly run: Run;
  readonly root: string;
  /** Local folders: `scratch`, `state`, `logs`. */
  readonly folder: string;
  readonly events: readonly Event[];
  /** What Slack was sent. */
  readonly posts: readonly string[];
}

/** Opens a run on a share and in local folders of its own; nobody answers as libvirt. */
export async function opened(
  subject: Partial<RunSubject> = {},
  system: Partial<System> = {},
): Promise<Opened> {
  const folder = await temporaryFolder();
  const mountinfo = await Deno.readTextFile("/proc/self/mountinfo");
  const root = `${folder.path}/share`;
  await Deno.mkdir(root);
  const events: Event[] = [];
  const posts: string[] = [];
  const settings = {
    hypervisorName: "hv1",
    backupRoot: root,
    backupFstypes: [mountOf(folder.path, mountinfo)?.type],
    backupLocal: true,
    shareTimeoutSeconds: 5,
    scratchDir: `${folder.path}/scratch`,
    stateDir: `${folder.path}/state`,
    logDir: `${folder.path}/logs`,
    libvirtUri: "qemu+unix:///system?socket=/nonexistent/socket",
    slackFailureWebhook: "https://slack.test/failure",
    slackSuccessWebhook: "https://slack.test/success",
  } as unknown as Settings;
  const run = openRun(
    {
      system: {
        ...realSystem,
        network: {
          ...realSystem.network,
          postJson(_url, body) {
            posts.push(JSON.stringify(body));
            return Promise.resolve({ status: 200, body: "ok", retryAfter: undefined });
          },
        },
        ...system,
      },
      settings,
      report: (event) => events.push(event),
      signal: new AbortController().signal,
    },
    { kind: "backup", vm: "gw-1", ...subject },
  );
  return {
    ...{ run, root, events, posts },
    folder: folder.path,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** The records of a share. */
export async function recordsOf(root: string): Promise<readonly Record<string, unknown>[]> {
  const folder = `${root}/metadata/runs`;
  const names = (await realSystem.files.list(folder)).toSorted();
  return await Promise.all(
    names.map(async (name) => JSON.parse(await Deno.readTextFile(`${folder}/${name}`))),
  );
}
