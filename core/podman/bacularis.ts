import healthTemplate from "../../templates/bacularis/health.sh" with { type: "text" };
import keepUsers from "../../templates/bacularis/keep-users.sh" with { type: "text" };
import rolesTemplate from "../../templates/bacularis/roles.conf" with { type: "text" };
import startTemplate from "../../templates/bacularis/start.sh" with { type: "text" };
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
import { apiUser, bacularisFolders, certificateTargets } from "./secret_recipe.ts";

/** The user of the web page. */
export const webUser = "admin";

/** The folder of a container that has `api/` or `web/` of the rendered tree. */
export const renderedTarget = "/etc/vmb-bacularis";

/** Where the page keeps what it saves of its users. */
export const savedUsers = "/var/lib/vmb-users";

/** Files that lie over those of the two Config folders, and hold no secret: each is mounted by itself. */
export const plainConfigs = {
  api: ["basic.conf"],
  web: ["settings.conf", "roles.conf"],
} as const;

/** What a server is asked by its health check, and the extended regular expression of the answer of one that works. */
const health = {
  // It needs credentials, and neither the catalog nor the Director.
  api: { path: "/api/v2/welcome", healthy: String.raw`^HTTP/1\.[01] 200 .*"error":0` },
  web: {
    path: "/",
    healthy: String.raw`^HTTP/1\.[01] 302 .*Location: [^[:space:]]*/[^[:space:]]*[Ll]ogin`,
  },
} as const;

/** Of PHP, whatever the application asks for. */
const phpValues = [
  "session.save_path=/tmp/sessions",
  // Debian's PHP leaves old sessions to a cron job, which no image has.
  ...["session.gc_probability=1", "session.gc_divisor=100"],
  ...["session.cookie_secure=1", "session.cookie_httponly=1", "session.cookie_samesite=Lax"],
].join("\\n");

/** Pages that would change the configuration, and could only fail. */
const closedPages = `
    # Configuration is changed in the git repository: these pages could only fail.
    location ~ ^/web/(config|new)(/|$) {
        default_type text/html;
        return 403 "<!doctype html><title>Changed in git</title><h1>Not on this page</h1><p>Configuration is changed
in the git repository of the control VM: edit site.yaml or vm-list.yaml there, then run: vmb ctl deploy</p>
<p><a href='/'>Back</a></p>";
    }
`;

/**
 * Renders the configuration of Bacularis: `api/` and `web/`, of which each file lies over one of its two Config
 * folders or is a script of the container, and the server blocks in `nginx/api/` and `nginx/web/`, which speak HTTPS
 * only.
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
    "web/roles.conf": rolesTemplate,
    "web/keep-users.sh": keepUsers,
    ...scripts("api", ":"),
    ...scripts(
      "web",
      `/bin/sh ${renderedTarget}/keep-users.sh ${renderedTarget}/users.conf ${savedUsers} "$web"\n` +
        `ln -sf ${savedUsers}/users.conf ${bacularisFolders.webConfig}/users.conf`,
    ),
    "nginx/api/bacularis.conf": serverBlocks("api", images.api, ""),
    "nginx/web/bacularis.conf": serverBlocks("web", images.web, closedPages),
  });
}

/** What a container runs at its start, and for its health. */
function scripts(name: "api" | "web", before: string): Readonly<Record<string, string>> {
  return {
    [`${name}/start.sh`]: fill("start.sh", startTemplate, { before }),
    [`${name}/health.sh`]: fill("health.sh", healthTemplate, health[name]),
  };
}

function serverBlocks(name: "api" | "web", image: string, closed: string): string {
  const { phpSocket } = bacularisImage(image);
  return fill("nginx.conf", nginxTemplate, {
    phpSocket,
    phpValues,
    closed,
    healthPath: health[name].path,
    ...certificateTargets,
  });
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
