import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "../../../core/error.ts";
import {
  bacularisImage,
  imageTag,
  postgresMajor,
  postgresVolume,
} from "../../../core/podman/image.ts";

const digest = `@sha256:${"0".repeat(64)}`;

Deno.test("imageTag finds the tag beside a port and a digest", () => {
  assert.equal(imageTag("postgres:17.6"), "17.6");
  assert.equal(imageTag("localhost:5000/a/b:1.2-alpine"), "1.2-alpine");
  assert.equal(imageTag(`quay.io/a/b:1${digest}`), "1");
});

Deno.test("imageTag refuses an image whose content may change, and what is no image", () => {
  for (
    const image of [
      ...["postgres", "postgres:latest", "localhost:5000/a", `postgres${digest}`, "", ":1", "-a:1"],
      ...["a b:1", "a:1 b", "a:1\nExec=x", "a:1%n", "a:$x", "a:1@sha256:0", "a:1;b", "a:"],
    ]
  ) {
    assert.throws(() => imageTag(image), ConfigError, image);
  }
});

Deno.test("imageTag lets no character pass that a unit gives a meaning", () => {
  fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), fc.string(), (before, after) => {
    const image = `${before}:${after}`;
    try {
      imageTag(image);
    } catch {
      return;
    }
    assert.match(image, /^[A-Za-z0-9._\/:@-]+$/);
  }));
});

Deno.test("bacularisImage tells the families of images apart by their tags", () => {
  const alpine = bacularisImage("docker.io/bacularis/bacularis-web:6.4.0-alpine");
  assert.equal(alpine.phpSocket, "/var/run/php-fpm.sock");
  assert.equal(alpine.serverBlocks, "/etc/nginx/http.d");
  assert.equal(alpine.webUser, undefined);
  for (const [release, php] of [["trixie", "8.4"], ["bookworm", "8.2"], ["bullseye", "7.4"]]) {
    const debian = bacularisImage(`docker.io/bacularis/bacularis-web:6.4.0-${release}${digest}`);
    assert.equal(debian.phpSocket, `/var/run/php/php${php}-fpm.sock`);
    assert.equal(debian.serverBlocks, "/etc/nginx/sites-enabled");
  }
});

Deno.test("bacularisImage refuses a tag that names no distribution", () => {
  assert.throws(() => bacularisImage("bacularis/bacularis-web:6.4.0"), ConfigError);
  assert.throws(() => bacularisImage("bacularis/bacularis-web:constructor"), ConfigError);
});

Deno.test("bacularisImage knows the pg_dump of each family, and postgresMajor the server", () => {
  const client = (variant: string) => bacularisImage(`a/b:6.4.0-${variant}`).postgresClient;
  assert.deepEqual(["alpine", "trixie", "bookworm", "bullseye"].map(client), [17, 17, 15, 13]);
  assert.deepEqual(["postgres:17.6", "postgres:18-alpine", "x/postgres:9.6"].map(postgresMajor), [
    ...[17, 18, 9],
  ]);
});

Deno.test("postgresVolume knows that version 18 moved the data", () => {
  assert.equal(postgresVolume("postgres:17.6"), "/var/lib/postgresql/data");
  assert.equal(postgresVolume("postgres:9.6-alpine"), "/var/lib/postgresql/data");
  assert.equal(postgresVolume("postgres:18"), "/var/lib/postgresql");
  assert.throws(() => postgresVolume("postgres:trixie"), ConfigError);
});
