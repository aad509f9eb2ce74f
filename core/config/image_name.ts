import type { Parsed } from "./setting_type.ts";

const component = "[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*";
const host = "(?:[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)+(?::\\d+)?|[A-Za-z0-9-]+:\\d+|localhost)";
const name = new RegExp(`^(${host})/(${component}(?:/${component})*)$`);
const reason = "expected the full name of an image with a tag";
const example = "docker.io/library/postgres:17.6";

/**
 * Reads the name of a container image: registry, repository, a tag, and if wanted a digest that pins its content.
 *
 * The tag `latest` pins nothing: the next pull may bring another version of the catalog's database. Beside a
 * digest podman takes no notice of the tag (podman pull 8833), but we do: it says how the image is laid out.
 */
export function parseImageName(text: string): Parsed<string> {
  const [, named = text, digest] = /^(.*?)@(.*)$/.exec(text) ?? [];
  const [, repository = named, tag] = /^(.*):([^/:]*)$/.exec(named) ?? [];
  if (!name.test(repository)) {
    return { reason, hint: `Begin with the registry and use small letters: ${example}` };
  }
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    return { reason, hint: "A digest is sha256: and 64 hexadecimal digits" };
  }
  if (tag !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(tag)) {
    return { reason, hint: "A tag has letters, digits and . _ - only" };
  }
  if (tag === undefined) {
    const hint = digest === undefined
      ? `Add the version, as in ${example}`
      : "The digest does not tell the version: write name:tag@sha256:...";
    return { reason, hint };
  }
  if (tag === "latest") {
    return {
      reason,
      hint: `"latest" is another image tomorrow: name the version, as in ${example}`,
    };
  }
  return { value: text };
}
