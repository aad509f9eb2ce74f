import apiTemplate from "../../quadlets/vmb-api.container" with { type: "text" };
import directorTemplate from "../../quadlets/vmb-director.container" with { type: "text" };
import postgresTemplate from "../../quadlets/vmb-postgres.container" with { type: "text" };
import storageTemplate from "../../quadlets/vmb-storage.container" with { type: "text" };
import webTemplate from "../../quadlets/vmb-web.container" with { type: "text" };
import networkTemplate from "../../quadlets/vmb.network" with { type: "text" };
import volumeTemplate from "../../quadlets/vmb.volume" with { type: "text" };
import type { Site } from "../config/site.ts";
import { renderTemplate } from "../render/template.ts";
import { type RenderedTree, renderedTree } from "../render/tree.ts";
import { plainConfigs, renderedTarget, savedUsers } from "./bacularis.ts";
import { bacularisImage, imageTag, postgresVolume } from "./image.ts";
import { bacularisFolders, type SecretReader, secretRecipes } from "./secret_recipe.ts";
import type { ServiceName } from "./service.ts";
import { mountFolder, timeZoneName, unitValue } from "./unit_value.ts";

const volumes: Readonly<Record<string, string>> = {
  "vmb-catalog": "the catalog",
  "vmb-director-work": "state of the Director",
  "vmb-storage-work": "state of the Storage Daemon",
  "vmb-web-users": "second factors of the users of Bacularis",
};

/**
 * Who reaches whom. The Director and the Storage Daemon are in one that hypervisors reach too; podman keeps the
 * others from each other, and an internal one has no way out.
 */
export const networks: Readonly<
  Record<string, { readonly purpose: string; readonly options: string }>
> = {
  "vmb": { purpose: "the daemons of Bacula", options: "" },
  "vmb-catalog": {
    purpose: "the catalog, and who asks it",
    options: "Internal=true\nOptions=isolate=strict",
  },
  "vmb-pages": {
    purpose: "the web page and its API",
    options: "Internal=true\nOptions=isolate=strict",
  },
  "vmb-web": { purpose: "the web page, as browsers reach it", options: "Options=isolate=strict" },
};

const { apiConfig, apiLogs, webConfig, webLogs, working } = bacularisFolders;

/**
 * Renders the quadlets of the control VM: the network, the volumes and the five containers, below `quadlets/`.
 *
 * @throws {ConfigError} for a value of the site that cannot stand in a unit, or an image of unknown kind
 */
export function renderQuadlets(site: Site): RenderedTree {
  const { images, ports } = site;
  const everywhere = {
    site: site.name,
    timeZone: timeZoneName(site.timeZone),
    target: site.rootless ? "default.target" : "multi-user.target",
  };
  const container = (
    name: ServiceName,
    template: string,
    image: string,
    values: Readonly<Record<string, unknown>>,
  ) => {
    imageTag(image);
    return fill(`${name}.container`, template, {
      ...everywhere,
      image,
      secrets: secretLines(name, image),
      ...values,
    });
  };
  const texts: Record<string, string> = {
    "quadlets/vmb-postgres.container": container(
      "vmb-postgres",
      postgresTemplate,
      images.postgres,
      { dataVolume: postgresVolume(images.postgres) },
    ),
    "quadlets/vmb-director.container": container(
      "vmb-director",
      directorTemplate,
      images.director,
      {
        port: ports.director,
        share: mountFolder(site.nfs.mount),
        memory: memoryOf(images.director, { "/run/bacula": "mode=0755" }, allBacularis),
      },
    ),
    "quadlets/vmb-storage.container": container("vmb-storage", storageTemplate, images.storage, {
      port: ports.storage,
      share: mountFolder(site.nfs.mount),
      memory: memoryOf(images.storage, { "/run/bacula": "mode=0755" }, allBacularis),
    }),
    "quadlets/vmb-api.container": container("vmb-api", apiTemplate, images.api, {
      ...webServer(images.api, "api", apiConfig),
    }),
    "quadlets/vmb-web.container": container("vmb-web", webTemplate, images.web, {
      port: ports.web,
      savedUsers,
      ...webServer(images.web, "web", webConfig),
    }),
  };
  for (const [name, network] of Object.entries(networks)) {
    texts[`quadlets/${name}.network`] = `${
      fill(`${name}.network`, networkTemplate, { name, ...network }).trimEnd()
    }\n`;
  }
  for (const [name, purpose] of Object.entries(volumes)) {
    texts[`quadlets/${name}.volume`] = fill(`${name}.volume`, volumeTemplate, { name, purpose });
  }
  return renderedTree(texts);
}

const allBacularis = [apiConfig, apiLogs, webConfig, webLogs, working];

/** Bacularis shows nothing but an error while one of these cannot be written by its user, on either server. */
const written: Readonly<Record<string, string>> = {
  ...Object.fromEntries(allBacularis.map((folder) => [folder, "notmpcopyup,size=16m,mode=1777"])),
  [bacularisFolders.runtime]: "notmpcopyup,size=16m,mode=1777",
  [bacularisFolders.assets]: "notmpcopyup,size=64m,mode=1777",
  // What the image has of these belongs to users that nothing here may read as.
  "/var/log": "notmpcopyup,size=1m,mode=0755",
};

function webServer(image: string, name: keyof typeof plainConfigs, config: string) {
  return {
    rendered: renderedTarget,
    serverBlocks: bacularisImage(image).serverBlocks,
    configs: plainConfigs[name].map((file) =>
      `Volume=/etc/vm-backup/${name}/${file}:${config}/${file}:ro,Z`
    ).join("\n"),
    memory: memoryOf(image, written, ["/var/lib/bacula"]),
  };
}

function fill(name: string, template: string, values: Readonly<Record<string, unknown>>): string {
  return renderTemplate(name, template, values, unitValue);
}

/**
 * What is written, but not kept. So is what an image declares as a volume and nobody mounts: it would get an
 * anonymous volume at each start. Of /etc/bacula, scripts included, the image's content is copied.
 */
function memoryOf(
  image: string,
  written: Readonly<Record<string, string>>,
  unused: readonly string[],
): string {
  const { postgresFolder } = bacularisImage(image);
  return Object.entries({
    ...written,
    "/etc/bacula": "mode=0755",
    ...Object.fromEntries(
      [...unused, postgresFolder].map((folder) => [folder, "notmpcopyup,size=1m"]),
    ),
  }).map(([folder, options]) => `Tmpfs=${folder}:${options}`).join("\n");
}

function secretLines(service: ServiceName, image: string): string {
  return secretRecipes.flatMap(({ name, mounts }) =>
    mounts.filter((mount) => mount.service === service).map(({ reader, target }) =>
      [
        `Secret=${name}`,
        "type=mount",
        ...(target === undefined ? [] : [`target=${target}`]),
        ...readable(reader, image),
      ].join(",")
    )
  ).join("\n");
}

/** Where the number of the web user is not known, whoever runs in the container may read. */
function readable(reader: SecretReader, image: string): readonly string[] {
  if (reader === "root") return ["mode=0400"];
  const { webUser } = bacularisImage(image);
  return webUser === undefined
    ? ["mode=0444"]
    : [`uid=${webUser.uid}`, `gid=${webUser.gid}`, "mode=0400"];
}
