import assert from "node:assert/strict";
import fc from "fast-check";
import { sitePlaces } from "../../../core/bacula/places.ts";
import { renderBacula } from "../../../core/bacula/render_bacula.ts";
import { ConfigError } from "../../../core/error.ts";
import { renderBacularis } from "../../../core/podman/bacularis.ts";
import { renderQuadlets } from "../../../core/podman/quadlets.ts";
import { bacularisFolders, secretRecipes } from "../../../core/podman/secret_recipe.ts";
import { services } from "../../../core/podman/service.ts";
import { bacularisVariants, exampleSite, imagesOf } from "./example_site.ts";

const example = await exampleSite();
const containers = services.map((name) => `quadlets/${name}.container`);

/** What the images declare as volumes, by family. */
const declared = {
  alpine: ["/var/lib/postgresql/data", "/etc/bacula", "/var/lib/bacula"],
  debian: ["/var/lib/postgresql", "/etc/bacula", "/var/lib/bacula"],
};

Deno.test("renderQuadlets makes five containers, a network, and the volumes they name", () => {
  const tree = renderQuadlets(example);
  assert.deepEqual([...tree.keys()], [...tree.keys()].sort());
  for (const path of containers) assert.ok(tree.has(path), path);
  for (const [path, { content, mode }] of tree) {
    assert.equal(mode, 0o644);
    assert.match(content, /[^\n]\n$/, path);
    for (const [, unit] of content.matchAll(/^(?:Volume|Network)=([\w-]+\.(?:volume|network))/gm)) {
      assert.ok(tree.has(`quadlets/${unit}`), `${path}: ${unit}`);
    }
  }
});

for (const variant of bacularisVariants) {
  Deno.test(`renderQuadlets mounts something over each volume of the ${variant} images`, () => {
    const tree = renderQuadlets({ ...example, images: imagesOf(variant) });
    const family = declared[variant === "alpine" ? "alpine" : "debian"];
    for (const path of containers.filter((each) => !each.includes("postgres"))) {
      const targets = valuesOf(tree, path, "Volume").map((value) => value.split(":")[1] ?? "");
      const tmpfs = valuesOf(tree, path, "Tmpfs").map((value) => value.split(":")[0] ?? "");
      const { runtime: _, assets: __, ...volumes } = bacularisFolders;
      for (const folder of [...family, ...Object.values(volumes)]) {
        const times = [...targets, ...tmpfs].filter((target) => target === folder).length;
        assert.equal(times, 1, `${path}: ${folder}`);
      }
    }
  });
}

for (const variant of bacularisVariants) {
  Deno.test(`renderQuadlets lets Bacularis write where it wants to, in the ${variant} images`, () => {
    const tree = renderQuadlets({ ...example, images: imagesOf(variant) });
    const { working: _, ...folders } = bacularisFolders;
    for (const [name, config] of [["api", "apiConfig"], ["web", "webConfig"]] as const) {
      const path = `quadlets/vmb-${name}.container`;
      const memory = new Map(
        valuesOf(tree, path, "Tmpfs").map((value) => {
          const [folder = "", options = ""] = value.split(":");
          return [folder, options.split(",")] as const;
        }),
      );
      for (const folder of Object.values(folders)) {
        // Without a mode of its own it would have that of the image's folder, and belong to root; a copy of what
        // the image has there would bring back its user admin with the password admin.
        assert.ok(memory.get(folder)?.includes("mode=1777"), `${path}: ${folder}`);
        assert.ok(memory.get(folder)?.includes("notmpcopyup"), `${path}: ${folder}`);
      }
      // Each file of ours lies over it by itself, read-only.
      const rendered = [...renderBacularis(example).keys()].filter((file) =>
        file.startsWith(`${name}/`) && !file.endsWith(".sh") && file !== "web/users.conf"
      );
      const targets = [
        ...valuesOf(tree, path, "Volume").map((value) => value.split(":").slice(1).join(":")),
        ...valuesOf(tree, path, "Secret").map((value) => /target=([^,]*)/.exec(value)?.[1] ?? ""),
      ];
      for (const file of rendered) {
        const target = `${bacularisFolders[config]}/${file.split("/")[1]}`;
        assert.ok(targets.some((each) => each === target || each === `${target}:ro,Z`), target);
      }
    }
  });
}

Deno.test("renderQuadlets gives no container a privilege or a place to write but those that it names", () => {
  const tree = renderQuadlets(example);
  const capabilities: Readonly<Record<string, string>> = {
    "vmb-postgres": "CHOWN DAC_OVERRIDE FOWNER SETGID SETUID",
    "vmb-director": "DAC_OVERRIDE",
    "vmb-storage": "DAC_OVERRIDE",
    "vmb-api": "CHOWN KILL SETGID SETUID",
    "vmb-web": "CHOWN KILL SETGID SETUID",
  };
  for (const name of services) {
    const path = `quadlets/${name}.container`;
    assert.deepEqual(valuesOf(tree, path, "DropCapability"), ["all"], name);
    assert.deepEqual(valuesOf(tree, path, "AddCapability"), [capabilities[name]], name);
    assert.deepEqual(valuesOf(tree, path, "ReadOnly"), ["true"], name);
    // Of several, quadlet takes the last.
    assert.ok(valuesOf(tree, path, "Exec").length <= 1, name);
    assert.deepEqual(valuesOf(tree, path, "NoNewPrivileges"), ["true"], name);
  }
});

Deno.test("renderQuadlets lets only those reach the catalog and the API who must", () => {
  const tree = renderQuadlets(example);
  const members = (network: string) =>
    services.filter((name) =>
      valuesOf(tree, `quadlets/${name}.container`, "Network").includes(`${network}.network`)
    );
  assert.deepEqual(members("vmb-catalog"), ["vmb-postgres", "vmb-director", "vmb-api"]);
  assert.deepEqual(members("vmb-pages"), ["vmb-api", "vmb-web"]);
  assert.deepEqual(members("vmb-web"), ["vmb-web"]);
  assert.deepEqual(members("vmb"), ["vmb-director", "vmb-storage"]);
  for (const network of ["vmb-catalog", "vmb-pages"]) {
    assert.deepEqual(valuesOf(tree, `quadlets/${network}.network`, "Internal"), ["true"]);
  }
  for (const network of ["vmb-catalog", "vmb-pages", "vmb-web"]) {
    const options = valuesOf(tree, `quadlets/${network}.network`, "Options");
    assert.deepEqual(options, ["isolate=strict"], network);
  }
});

Deno.test("renderQuadlets hands podman the tag and the digest of an image as they stand", () => {
  const digest = `@sha256:${"0".repeat(64)}`;
  const images = Object.fromEntries(
    Object.entries(imagesOf("trixie")).map(([name, image]) => [name, `${image}${digest}`]),
  ) as unknown as typeof example.images;
  const tree = renderQuadlets({ ...example, images });
  const plain = renderQuadlets({ ...example, images: imagesOf("trixie") });
  for (const path of containers) {
    const [image = ""] = valuesOf(plain, path, "Image");
    assert.deepEqual(valuesOf(tree, path, "Image"), [`${image}${digest}`]);
    assert.deepEqual(valuesOf(tree, path, "Volume"), valuesOf(plain, path, "Volume"));
  }
});

Deno.test("renderQuadlets labels local folders for SELinux, and the share never", () => {
  const tree = renderQuadlets(example);
  for (const path of containers) {
    for (const value of valuesOf(tree, path, "Volume")) {
      if (value.startsWith("/mnt/backup")) assert.doesNotMatch(value, /:[^:]*:.*[zZ]/, path);
      else if (value.startsWith("/")) assert.match(value, /:ro,[zZ]$/, path);
    }
  }
  for (const name of ["vmb-director", "vmb-storage"]) {
    const units = valuesOf(tree, `quadlets/${name}.container`, "RequiresMountsFor");
    assert.deepEqual(units, ["/mnt/backup"]);
  }
});

Deno.test("renderQuadlets waits for health, restarts, and knows how Bacula's daemons end", () => {
  const tree = renderQuadlets(example);
  for (const path of containers) {
    for (const key of ["HealthCmd", "HealthStartupCmd", "TimeoutStartSec", "PodmanArgs"]) {
      assert.equal(valuesOf(tree, path, key).length, 1, `${path}: ${key}`);
    }
    assert.deepEqual(valuesOf(tree, path, "Notify"), ["healthy"]);
    assert.deepEqual(valuesOf(tree, path, "Restart"), ["always"]);
    const daemon = /director|storage/.test(path);
    assert.deepEqual(valuesOf(tree, path, "SuccessExitStatus"), daemon ? ["15"] : [], path);
  }
});

Deno.test("renderQuadlets is wanted by the user's target when rootless", () => {
  for (const rootless of [false, true]) {
    const tree = renderQuadlets({ ...example, rootless });
    const target = rootless ? "default.target" : "multi-user.target";
    for (const path of containers) assert.deepEqual(valuesOf(tree, path, "WantedBy"), [target]);
  }
});

Deno.test("renderQuadlets mounts each secret where its recipe says, and no other", () => {
  for (const variant of ["alpine", "trixie"]) {
    const tree = renderQuadlets({ ...example, images: imagesOf(variant) });
    for (const service of services) {
      const expected = secretRecipes.flatMap(({ name, mounts }) =>
        mounts.filter((mount) => mount.service === service).map(({ reader, target }) => {
          const who = reader === "root"
            ? "mode=0400"
            : variant === "alpine"
            ? "mode=0444"
            : "uid=33,gid=33,mode=0400";
          return `${name},type=mount,${target === undefined ? "" : `target=${target},`}${who}`;
        })
      );
      assert.deepEqual(valuesOf(tree, `quadlets/${service}.container`, "Secret"), expected);
    }
  }
});

Deno.test("renderQuadlets gives each daemon the secrets that its configuration includes", () => {
  const bacula = renderBacula(example, [], sitePlaces(example));
  const users: Readonly<Record<string, readonly string[]>> = {
    "vmb-director": ["bacula-dir.conf", "bconsole.conf", "monitor.conf"],
    "vmb-storage": ["bacula-sd.conf"],
    "vmb-api": ["bconsole.conf"],
  };
  const tree = renderQuadlets(example);
  for (const [service, files] of Object.entries(users)) {
    const mounted = valuesOf(tree, `quadlets/${service}.container`, "Secret").map((value) =>
      value.split(",")[0]
    );
    for (const file of files) {
      const content = bacula.get(`bacula/${file}`)?.content ?? "";
      const included = [...content.matchAll(/\/run\/secrets\/([\w-]+)/g)].map(([, name]) => name);
      assert.ok(included.length > 0, file);
      for (const name of included) assert.ok(mounted.includes(name), `${service}: ${name}`);
    }
  }
});

Deno.test("renderQuadlets adds no line for hostile values: it quotes them, or refuses them", () => {
  const shape = shapeOf(renderQuadlets(example));
  const text = fc.oneof(
    fc.string({ unit: "binary-ascii" }),
    fc.constantFrom("a\n[Service]\nExecStart=/bin/sh", "x\\", "%n", "$x", "a b", '"', "'", "é%i"),
  );
  const hostile = fc.oneof(
    text.map((name) => ({ name })),
    text.map((timeZone) => ({ timeZone })),
    text.map((mount) => ({ nfs: { ...example.nfs, mount: `/${mount}` } })),
    text.map((tag) => ({ images: { ...example.images, web: `a/b:${tag}-alpine` } })),
    text.map((name) => ({ images: { ...example.images, storage: `${name}:1-trixie` } })),
    text.map((tag) => ({ images: { ...example.images, postgres: `postgres:17${tag}` } })),
  );
  fc.assert(fc.property(hostile, (changes) => {
    let tree: ReturnType<typeof renderQuadlets>;
    try {
      tree = renderQuadlets({ ...example, ...changes });
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return;
    }
    assert.deepEqual(shapeOf(tree).length, shape.length);
    for (const [index, line] of shapeOf(tree).entries()) assert.equal(line, shape[index]);
  }));
});

function valuesOf(
  tree: ReturnType<typeof renderQuadlets>,
  path: string,
  key: string,
): readonly string[] {
  const content = tree.get(path)?.content ?? "";
  return [...content.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

/** Every line without its value. The families of images have different numbers of options, but not of lines. */
function shapeOf(tree: ReturnType<typeof renderQuadlets>): readonly string[] {
  return [...tree].flatMap(([path, { content }]) =>
    content.split("\n").map((line) => `${path}: ${line.replace(/=.*$/u, "=")}`)
  );
}
