import assert from "node:assert/strict";
import { parseSite, type Site } from "../../../core/config/site.ts";
import { repositoryFiles } from "../../../core/deploy/init_repository.ts";

/** The site that `vmb ctl init` begins with, and what a test changes of it. */
export async function exampleSite(changes: Partial<Site> = {}): Promise<Site> {
  const { site, problems } = await parseSite(repositoryFiles["site.yaml"] ?? "", "site.yaml");
  assert.deepEqual(problems, []);
  assert.ok(site);
  return { ...site, ...changes };
}

export const bacularisVariants = ["alpine", "trixie", "bookworm", "bullseye"] as const;

/** Images of one variant for all services. */
export function imagesOf(variant: string, postgres = "docker.io/library/postgres:17.6") {
  const image = (name: string) => `docker.io/bacularis/bacularis-${name}:6.4.0-${variant}`;
  return {
    postgres,
    director: image("api-dir"),
    storage: image("api-sd"),
    api: image("api-dir"),
    web: image("web"),
  };
}
