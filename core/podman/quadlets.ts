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
import { bacularisImage, imageTag, postgresVolume } from "./image.ts";
import { bacularisFolders, type SecretReader, secretRecipes } from "./secret_recipe.ts";
import type { ServiceName } from "./service.ts";
import { mountFolder, timeZoneName, unitValue } from "./unit_value.ts";

const volumes: Readonly<Record<string, string>> = {
  "vmb-catalog": "the catalog",
  "vmb-director-work": "state of the Director",
  "vmb-storage-work": "state of the Storage Daemon",
  "vmb-api-logs": "logs of the Bacularis API",
  "vmb-api-working": "work files of the Bacularis API",
  "vmb-web-logs": "logs of the Bacularis web page",
  "vmb-web-working": "work files of the Bacularis web page",
};

const { apiConfig, apiLogs, webConfig, webLogs, working } = bacularisFolders;

/** `$` is doubled: systemd would take it for a variable of its own. */
const healthScript = [
  "exec 3<>/dev/tcp/127.0.0.1/9098",
  "{ echo 'GET / HTTP/1.0'; echo; } >&3",
  "read -r _ status _ <&3",
  "[[ $$status == [1-5][0-9][0-9] && $$status != 50[234] ]]",
].join(" && ");

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
    "quadlets/vmb.network": fill("vmb.network", networkTemplate, {}),
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
        unused: unusedVolumes(images.director, ["/etc/bacula", ...allBacularis]),
      },
    ),
    "quadlets/vmb-storage.container": container("vmb-storage", storageTemplate, images.storage, {
      port: ports.storage,
      share: mountFolder(site.nfs.mount),
      unused: unusedVolumes(images.storage, ["/etc/bacula", ...allBacularis]),
    }),
    "quadlets/vmb-api.container": container("vmb-api", apiTemplate, images.api, {
      config: apiConfig,
      logs: apiLogs,
      ...webServer(images.api, [webConfig, webLogs]),
    }),
    "quadlets/vmb-web.container": container("vmb-web", webTemplate, images.web, {
      port: ports.web,
      config: webConfig,
      logs: webLogs,
      ...webServer(images.web, [apiConfig, apiLogs]),
    }),
  };
  for (const [name, purpose] of Object.entries(volumes)) {
    texts[`quadlets/${name}.volume`] = fill(`${name}.volume`, volumeTemplate, { name, purpose });
  }
  return renderedTree(texts);
}

const allBacularis = [apiConfig, apiLogs, webConfig, webLogs, working];

function webServer(image: string, notUsed: readonly string[]) {
  return {
    working,
    healthScript,
    serverBlocks: bacularisImage(image).serverBlocks,
    unused: unusedVolumes(image, ["/etc/bacula", "/var/lib/bacula", ...notUsed]),
  };
}

function fill(name: string, template: string, values: Readonly<Record<string, unknown>>): string {
  return renderTemplate(name, template, values, unitValue);
}

/**
 * What an image declares as a volume and nobody mounts gets an anonymous volume at each start. In memory, it
 * costs nothing; of /etc/bacula, scripts included, the image's content is copied there.
 */
function unusedVolumes(image: string, folders: readonly string[]): string {
  const { postgresFolder } = bacularisImage(image);
  return [...folders, postgresFolder].map((folder) =>
    folder === "/etc/bacula" ? `Tmpfs=${folder}:mode=0755` : `Tmpfs=${folder}:notmpcopyup,size=1m`
  ).join("\n");
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
