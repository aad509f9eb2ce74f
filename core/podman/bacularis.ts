import apiTemplate from "../../templates/bacularis/api.conf" with { type: "text" };
import basicTemplate from "../../templates/bacularis/basic.conf" with { type: "text" };
import hostsTemplate from "../../templates/bacularis/hosts.conf" with { type: "text" };
import nginxTemplate from "../../templates/bacularis/nginx.conf" with { type: "text" };
import settingsTemplate from "../../templates/bacularis/settings.conf" with { type: "text" };
import passwordsTemplate from "../../templates/bacularis/users" with { type: "text" };
import usersTemplate from "../../templates/bacularis/users.conf" with { type: "text" };
import type { Site } from "../config/site.ts";
import { VmbError } from "../error.ts";
import { renderTemplate } from "../render/template.ts";
import { type RenderedTree, renderedTree } from "../render/tree.ts";
import { bacularisImage } from "./image.ts";
import { bacularisFolders, certificateTargets } from "./secret_recipe.ts";

/** The user of the web page. */
const webUser = "admin";

/** The user that the web page is at its API; Bacularis takes letters and digits only. */
const apiUser = "vmb";

/**
 * Renders the configuration of Bacularis: `api/` and `web/`, which lie over its two Config folders, and the server
 * blocks in `nginx/api/` and `nginx/web/`, which speak HTTPS only.
 *
 * No password is among them. Where one belongs, or its hash, there is `@@KEY@@` or `@@KEY:sha512@@`; the deploy
 * fills it in, and mounts the result over the file as a podman secret. With the file as it is nobody can log in.
 *
 * @throws {ConfigError} for an image of unknown kind
 */
export function renderBacularis(site: Site): RenderedTree {
  const { images } = site;
  return renderedTree({
    "api/api.conf": fill("api.conf", apiTemplate, {}),
    "api/basic.conf": fill("basic.conf", basicTemplate, { apiUser }),
    "api/bacularis.users": fill("users", passwordsTemplate, { user: apiUser, key: "API_PASSWORD" }),
    "web/settings.conf": fill("settings.conf", settingsTemplate, {
      userFile: `${bacularisFolders.webConfig}/bacularis.users`,
    }),
    "web/hosts.conf": fill("hosts.conf", hostsTemplate, { apiUser }),
    "web/users.conf": fill("users.conf", usersTemplate, { webUser }),
    "web/bacularis.users": fill("users", passwordsTemplate, {
      user: webUser,
      key: "BACULARIS_ADMIN_PASSWORD",
    }),
    "nginx/api/bacularis.conf": serverBlocks(images.api),
    "nginx/web/bacularis.conf": serverBlocks(images.web),
  });
}

function serverBlocks(image: string): string {
  const { phpSocket } = bacularisImage(image);
  return fill("nginx.conf", nginxTemplate, { phpSocket, ...certificateTargets });
}

function fill(name: string, template: string, values: Readonly<Record<string, unknown>>): string {
  return renderTemplate(name, template, values, plainWord);
}

/**
 * Neither PHP's raw INI files nor nginx's have one way to quote that holds everywhere. All values here are our own,
 * so one that would need quotes is a mistake.
 */
function plainWord(value: string): string {
  if (/^[A-Za-z0-9_./-]+$/.test(value)) return value;
  throw new VmbError(`Cannot put "${value}" into a file of Bacularis: it would need quotes`, {
    code: "render.quote",
  });
}
