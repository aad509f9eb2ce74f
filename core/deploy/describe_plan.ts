import type { DeployPlan } from "./plan.ts";

/** A plan as it may be shown: no value of a secret is in it. */
export function describePlan(plan: DeployPlan) {
  return {
    images: plan.images,
    folders: plan.folders,
    files: plan.files.map(({ path, kind, drifted, diff }) => ({ path, kind, drifted, diff })),
    links: plan.links,
    secrets: plan.secrets.map(({ secret, state }) => ({ name: secret.recipe.name, state })),
    services: plan.services,
    triggers: plan.triggers,
    reloadUnits: plan.reloadUnits,
    databasePassword: plan.databasePassword,
    catalog: plan.catalog,
    untested: plan.untested,
  };
}

/** A plan in lines, the diffs of its files first. */
export function showPlan(plan: DeployPlan): string {
  const { files, links, services, secrets } = describePlan(plan);
  return [
    // A file that is new says nothing by a diff of all its lines.
    ...files.filter(({ kind }) => kind === "update").map(({ diff }) => diff),
    ...files.map(({ path, kind, drifted }) =>
      `  ${kind} ${path}${drifted ? " (changed on this machine)" : ""}\n`
    ),
    ...links.map(({ path, target, from }) =>
      `  link ${path} -> ${target}${from === undefined ? "" : ` (was ${from})`}\n`
    ),
    ...plan.folders.map((folder) => `  make ${folder}/\n`),
    ...secrets.map(({ name, state }) => `  secret ${name} (${state})\n`),
    ...plan.images.map((image) => `  pull ${image}\n`),
    ...plan.databasePassword ? ["  tell the catalog its password\n"] : [],
    ...plan.catalog ? ["  make or check the tables of the catalog\n"] : [],
    ...services.map(({ service, action, because }) =>
      `  ${action} ${service}: ${because.join(", ")}\n`
    ),
    ...plan.triggers.map((unit) => `  enable ${unit}\n`),
    ...plan.untested && services.length === 0 ? ["  try what was deployed\n"] : [],
  ].join("");
}
