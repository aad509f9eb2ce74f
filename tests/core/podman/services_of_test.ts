import assert from "node:assert/strict";
import { servicesOf } from "../../../core/podman/services_of.ts";
import { secretRecipes } from "../../../core/podman/secret_recipe.ts";
import { secretKeys } from "../../../core/secrets/secret_key.ts";

Deno.test("servicesOf names those who read a secret, and no more", () => {
  const found = Object.fromEntries(secretKeys.map((key) => [key, servicesOf(key)]));
  const only = (...services: string[]) => ({ services, hypervisors: false });
  assert.deepEqual(found, {
    DIRECTOR_PASSWORD: only("vmb-director"),
    FD_PASSWORD: { services: ["vmb-director"], hypervisors: true },
    SD_PASSWORD: only("vmb-director", "vmb-storage"),
    DB_PASSWORD: only("vmb-director", "vmb-api"),
    CONSOLE_PASSWORD: only("vmb-director", "vmb-api"),
    MONITOR_PASSWORD: only("vmb-director"),
    BACULARIS_ADMIN_PASSWORD: only("vmb-web"),
    API_PASSWORD: only("vmb-api", "vmb-web"),
    SLACK_FAILURE_WEBHOOK: { services: ["vmb-director"], hypervisors: true },
    SLACK_SUCCESS_WEBHOOK: { services: [], hypervisors: true },
  });
});

Deno.test("secretRecipes has each podman secret once, with vmb's prefix", () => {
  const names = secretRecipes.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^vmb-[a-z-]+$/);
});
