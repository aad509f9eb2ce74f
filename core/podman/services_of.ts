import { type SecretKey, secretTable } from "../secrets/secret_key.ts";
import { secretRecipes } from "./secret_recipe.ts";
import { type ServiceName, services } from "./service.ts";

/** Who notices that a secret was changed. */
export interface SecretUsers {
  /** They read it when their containers are made, so they must restart. */
  readonly services: readonly ServiceName[];
  /** Hypervisors have it too: until they get the new one, they are not reached. */
  readonly hypervisors: boolean;
}

/** Tells which services must restart when the value of a key changes, in the order of their start. */
export function servicesOf(key: SecretKey): SecretUsers {
  const mounts = secretRecipes.filter(({ keys }) => keys.includes(key))
    .flatMap(({ mounts }) => mounts);
  return {
    // PostgreSQL reads the password only when its database is made; afterwards it is told by SQL.
    services: services.filter((name) =>
      name !== "vmb-postgres" && mounts.some(({ service }) => service === name)
    ),
    hypervisors: secretTable[key].onHypervisors,
  };
}
