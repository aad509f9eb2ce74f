import { ConfigError } from "../error.ts";
import { quoted } from "../format/quoted.ts";

/** An image of Bacularis: what differs between its two families. */
export interface BacularisImage {
  readonly family: "alpine" | "debian";
  /** Socket of PHP-FPM. */
  readonly phpSocket: string;
  /** Folder whose files are nginx's server blocks. */
  readonly serverBlocks: string;
  /** Where the image declares a volume for the PostgreSQL that it brings along. */
  readonly postgresFolder: string;
  /** Major version of the pg_dump and psql that it brings along. */
  readonly postgresClient: number;
  /** The user that PHP runs as, where the distribution fixes it. */
  readonly webUser: { readonly uid: number; readonly gid: number } | undefined;
}

/** The PHP of each Debian release is part of the name of its socket. */
const releases: ReadonlyMap<string, { readonly php: string; readonly postgres: number }> = new Map([
  ["trixie", { php: "8.4", postgres: 17 }],
  ["bookworm", { php: "8.2", postgres: 15 }],
  ["bullseye", { php: "7.4", postgres: 13 }],
]);

const reference =
  /^[A-Za-z0-9][A-Za-z0-9._/:-]*?(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@sha256:[0-9a-f]{64})?$/;

/**
 * Returns the tag of an image, without its digest.
 *
 * @throws {ConfigError} for text that is no reference, or one without a tag: what runs must not change by itself
 */
export function imageTag(image: string): string {
  const match = reference.exec(image);
  if (match === null) {
    throw new ConfigError(`Cannot use the image ${quoted(image)}: expected registry/name:tag`);
  }
  const tag = match.groups?.["tag"];
  if (tag === undefined || tag === "latest") {
    throw new ConfigError(
      `Cannot use the image ${quoted(image)}: expected a tag that names a version`,
      { hint: "Write name:tag, or name:tag@sha256:digest to pin it for good" },
    );
  }
  return tag;
}

/**
 * Tells by its tag which family an image of Bacularis belongs to: `6.4.0-alpine`, `6.4.0-trixie`.
 *
 * @throws {ConfigError} for a tag that names neither Alpine nor a release of Debian
 */
export function bacularisImage(image: string): BacularisImage {
  const tag = imageTag(image);
  const variant = tag.split("-").at(-1) ?? "";
  if (variant === "alpine") {
    return {
      family: "alpine",
      phpSocket: "/var/run/php-fpm.sock",
      serverBlocks: "/etc/nginx/http.d",
      postgresFolder: "/var/lib/postgresql/data",
      postgresClient: 17,
      // Alpine gives out the numbers in the order in which packages are installed.
      webUser: undefined,
    };
  }
  const release = releases.get(variant);
  if (release === undefined) {
    throw new ConfigError(
      `Cannot tell the distribution of the image ${quoted(image)} from its tag`,
      { hint: `Use a tag that ends with -alpine or -${[...releases.keys()].join(", -")}` },
    );
  }
  return {
    family: "debian",
    phpSocket: `/var/run/php/php${release.php}-fpm.sock`,
    serverBlocks: "/etc/nginx/sites-enabled",
    postgresFolder: "/var/lib/postgresql",
    postgresClient: release.postgres,
    webUser: { uid: 33, gid: 33 },
  };
}

/**
 * Returns the folder that an official image of PostgreSQL declares as its volume: from version 18 on it is the
 * parent of the data folder.
 *
 * @throws {ConfigError} for a tag that does not begin with a version
 */
export function postgresVolume(image: string): string {
  return postgresMajor(image) >= 18 ? "/var/lib/postgresql" : "/var/lib/postgresql/data";
}

/**
 * Returns the major version of an official image of PostgreSQL.
 *
 * @throws {ConfigError} for a tag that does not begin with a version
 */
export function postgresMajor(image: string): number {
  const major = /^\d+/.exec(imageTag(image))?.[0];
  if (major === undefined) {
    throw new ConfigError(
      `Cannot tell the version of PostgreSQL from the tag of the image ${quoted(image)}`,
      { hint: "Use a tag that begins with the version, as postgres:17.6" },
    );
  }
  return Number(major);
}
