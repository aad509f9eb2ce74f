import { createHash } from "node:crypto";
import checkService from "../../templates/deploy/vmb-check.service" with { type: "text" };
import checkTimer from "../../templates/deploy/vmb-check.timer" with { type: "text" };
import tellPath from "../../templates/deploy/vmb-tell.path" with { type: "text" };
import tellService from "../../templates/deploy/vmb-tell.service" with { type: "text" };
import type { Site } from "../config/site.ts";
import { type PodmanSecret, podmanSecrets, secretFingerprint } from "../podman/secrets.ts";
import { type ServiceName, services } from "../podman/service.ts";
import { unitValue } from "../podman/unit_value.ts";
import { renderTemplate } from "../render/template.ts";
import type { RenderedFile, RenderedTree } from "../render/tree.ts";
import type { Secrets } from "../secrets/secret_key.ts";
import type { ControlPlaces } from "./places.ts";
import type { ServiceRecord } from "./record.ts";
import { notesFolder } from "./tell_failures.ts";

/** What a deploy is made from. */
export interface DeploySources {
  readonly site: Site;
  /** Folder of the repository, absolute. */
  readonly repository: string;
  readonly tree: RenderedTree;
  readonly secrets: Secrets;
  readonly certificate: { readonly certificate: string; readonly key: string };
  /** The program that the timer starts. */
  readonly vmb: string;
}

/** A service as it shall run. */
export interface DesiredService extends ServiceRecord {
  readonly name: ServiceName;
  readonly image: string;
  /** Installed files that it reads only when it is made. */
  readonly files: readonly string[];
  /** Installed files that it reads again when it is told to. */
  readonly reloadFiles: readonly string[];
  /** Podman secrets that it gets when it is made. */
  readonly secrets: readonly string[];
}

/** The control VM as it shall be. */
export interface Desired {
  readonly site: Site;
  readonly tree: RenderedTree;
  readonly files: ReadonlyMap<string, RenderedFile>;
  readonly secrets: readonly PodmanSecret[];
  readonly services: readonly DesiredService[];
  readonly databasePassword: string;
  /** Units of vmb that start others: by the clock, or because something is there. */
  readonly triggers: readonly string[];
  readonly repositoryLink: { readonly path: string; readonly target: string };
}

/** They look after the site between deploys, and tell Slack of jobs that failed. */
export const triggerUnits = ["vmb-check.timer", "vmb-tell.path"] as const;

/** Tells what a control VM shall be like. */
export function desiredState(sources: DeploySources, places: ControlPlaces): Desired {
  const { site, tree } = sources;
  const secrets = podmanSecrets(sources);
  return {
    site,
    tree,
    files: installedFiles(sources, places),
    secrets,
    services: services.map((name) => desiredService(name, sources, secrets, places)),
    databasePassword: digest(sources.secrets.get("DB_PASSWORD") ?? ""),
    triggers: triggerUnits,
    repositoryLink: { path: places.repository, target: sources.repository },
  };
}

/** The path of a rendered file on the control VM; `undefined` for one that goes to a hypervisor. */
export function installedPath(path: string, places: ControlPlaces): string | undefined {
  if (path.startsWith("fd/")) return undefined;
  return path.startsWith("quadlets/")
    ? `${places.quadlets}/${path.slice("quadlets/".length)}`
    : `${places.configs}/${path}`;
}

function installedFiles(
  { repository, site, tree, vmb }: DeploySources,
  places: ControlPlaces,
): ReadonlyMap<string, RenderedFile> {
  const files = new Map<string, RenderedFile>();
  for (const [path, file] of tree) {
    const target = installedPath(path, places);
    if (target !== undefined) files.set(target, file);
  }
  const unit = (name: string, template: string, values: Readonly<Record<string, unknown>>) =>
    files.set(`${places.units}/${name}`, {
      content: renderTemplate(name, template, values, unitValue),
      mode: 0o644,
    });
  unit("vmb-check.service", checkService, { site: site.name, repository, vmb });
  unit("vmb-check.timer", checkTimer, { site: site.name });
  unit("vmb-tell.service", tellService, { site: site.name, repository, vmb });
  unit("vmb-tell.path", tellPath, { site: site.name, untold: notesFolder(places.state).untold });
  return files;
}

function desiredService(
  name: ServiceName,
  { site, tree }: DeploySources,
  secrets: readonly PodmanSecret[],
  places: ControlPlaces,
): DesiredService {
  const read = filesRead[name];
  const paths = [...tree.keys()].filter((path) =>
    path === `quadlets/${name}.container` || read.some((prefix) => path.startsWith(prefix))
  );
  // PostgreSQL reads its password only when its database is made; later it is told by SQL.
  const mounted = name === "vmb-postgres"
    ? []
    : secrets.filter(({ recipe }) => recipe.mounts.some(({ service }) => service === name));
  const director = name === "vmb-director" ? tree.get(directorConfig)?.content ?? "" : "";
  return {
    name,
    image: site.images[imageOf[name]],
    files: paths.flatMap((path) => installedPath(path, places) ?? []),
    reloadFiles: name === "vmb-director" ? [`${places.configs}/${directorConfig}`] : [],
    secrets: mounted.map(({ recipe }) => recipe.name),
    restart: digest(
      ...paths.map((path) => tree.get(path)?.content ?? ""),
      ...mounted.map(secretFingerprint),
      // A reload does not change the number of jobs at once, nor the ports and folders.
      /^Director \{[\s\S]*?^\}/m.exec(director)?.[0] ?? "",
    ),
    reload: digest(director),
  };
}

export const directorConfig = "bacula/bacula-dir.conf";

/** Beside its quadlet. The Director reads its configuration again when it is told to; hooks and consoles always do. */
const filesRead: Readonly<Record<ServiceName, readonly string[]>> = {
  "vmb-postgres": [],
  "vmb-director": [],
  "vmb-storage": ["bacula/bacula-sd.conf"],
  "vmb-api": ["api/", "nginx/api/"],
  "vmb-web": ["web/", "nginx/web/"],
};

const imageOf = {
  "vmb-postgres": "postgres",
  "vmb-director": "director",
  "vmb-storage": "storage",
  "vmb-api": "api",
  "vmb-web": "web",
} as const satisfies Readonly<Record<ServiceName, keyof Site["images"]>>;

export function digest(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
