import assert from "node:assert/strict";
import { renderBacularis } from "../../../core/podman/bacularis.ts";
import { bacularisImage } from "../../../core/podman/image.ts";
import { secretRecipes } from "../../../core/podman/secret_recipe.ts";
import { bacularisVariants, exampleSite, imagesOf } from "./example_site.ts";

const example = await exampleSite();
const tree = renderBacularis(example);

/** Keys without which Bacularis shows its wizard instead (APIConfig.php, HostConfig.php, WebUserConfig.php). */
const required: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "api/api.conf": {
    api: ["auth_type", "debug"],
    db: ["type", "name", "login", "password", "ip_addr", "port", "path"],
    bconsole: ["bin_path", "cfg_path", "use_sudo"],
    jsontools: ["enabled"],
    actions: ["enabled"],
  },
  "web/settings.conf": { baculum: ["debug", "lang"] },
  "web/hosts.conf": {
    Main: [
      ...["protocol", "address", "port", "auth_type", "login", "password"],
      ...["client_id", "client_secret", "redirect_uri", "scope"],
    ],
  },
  "web/users.conf": {
    admin: ["long_name", "description", "email", "roles", "enabled", "ips"],
  },
};

Deno.test("renderBacularis writes every key that Bacularis requires", () => {
  for (const [path, sections] of Object.entries(required)) {
    const found = parseIni(tree.get(path)?.content ?? "");
    for (const [section, keys] of Object.entries(sections)) {
      for (const key of keys) {
        assert.ok(found.get(section)?.has(key), `${path} [${section}] ${key}`);
      }
    }
  }
});

Deno.test("renderBacularis names one API user in all three files that must agree", () => {
  const login = parseIni(tree.get("web/hosts.conf")?.content ?? "").get("Main")?.get("login");
  assert.match(login ?? "", /^[a-zA-Z0-9]+$/);
  assert.ok(parseIni(tree.get("api/basic.conf")?.content ?? "").has(login ?? ""));
  assert.match(tree.get("api/bacularis.users")?.content ?? "", new RegExp(`^${login}:`));
});

Deno.test("renderBacularis has a placeholder wherever a password belongs, and no hash", () => {
  const placeholders = [...tree].flatMap(([path, { content }]) =>
    [...content.matchAll(/@@.*?@@/g)].map(([found]) => `${path} ${found}`)
  );
  assert.deepEqual(placeholders, [
    "api/api.conf @@DB_PASSWORD@@",
    "api/bacularis.users @@API_PASSWORD:sha512@@",
    "web/bacularis.users @@BACULARIS_ADMIN_PASSWORD:sha512@@",
    "web/hosts.conf @@API_PASSWORD@@",
  ]);
  for (const [path, { content }] of tree) {
    assert.doesNotMatch(content, /\$apr1\$|\$2y\$|\$6\$|admin:admin|{SHA}/, path);
    for (const [, value] of content.matchAll(/password = "(.*)"/g)) {
      assert.match(value ?? "", /^@@/);
    }
  }
});

Deno.test("renderBacularis makes the files that podman's secrets are mounted over", () => {
  for (const { name, source } of secretRecipes) {
    if (source.kind === "rendered") assert.ok(tree.has(source.path), name);
  }
});

for (const variant of bacularisVariants) {
  Deno.test(`renderBacularis speaks HTTPS only, to the PHP of the ${variant} images`, () => {
    const rendered = renderBacularis({ ...example, images: imagesOf(variant) });
    const { phpSocket } = bacularisImage(imagesOf(variant).web);
    for (const who of ["api", "web"]) {
      const content = rendered.get(`nginx/${who}/bacularis.conf`)?.content ?? "";
      const listens = [...content.matchAll(/^\s*listen (.*);$/gm)].map(([, value]) => value);
      assert.deepEqual(listens, ["9097 ssl", "127.0.0.1:9098"]);
      const passes = [...content.matchAll(/fastcgi_pass (.*);/g)].map(([, value]) => value);
      assert.deepEqual(new Set(passes), new Set([`unix:${phpSocket}`]));
    }
  });
}

function parseIni(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let current = new Map<string, string>();
  for (const line of text.split("\n").filter((each) => each !== "" && !each.startsWith(";"))) {
    const section = /^\[(\w+)\]$/.exec(line)?.[1];
    if (section !== undefined) {
      current = new Map();
      sections.set(section, current);
      continue;
    }
    const [, key, value] = /^(\w+)(?:\[\])? = "([^"]*)"$/.exec(line) ?? [];
    assert.ok(key !== undefined && value !== undefined, line);
    current.set(key, value);
  }
  return sections;
}
