import { type SecretFile, secretFiles, secretFileText } from "../bacula/secret_files.ts";
import type { SecretKey } from "../secrets/secret_key.ts";
import type { ServiceName } from "./service.ts";

/** Who may read a mounted secret in its container. */
export type SecretReader = "root" | "web";

export interface SecretMount {
  readonly service: ServiceName;
  readonly reader: SecretReader;
  /** Path in the container; default `/run/secrets/<name>`. */
  readonly target?: string;
}

/** How a podman secret is made, and which containers get it. */
export interface SecretRecipe {
  /** Name of the podman secret. */
  readonly name: string;
  /** The keys of `secrets.conf` whose values are in it. */
  readonly keys: readonly SecretKey[];
  /**
   * Where its text comes from: written here; a file of the rendered tree, over which it is mounted; or a file of
   * the certificate. `@@KEY@@` in the text stands for the value, `@@KEY:sha512@@` for its hash.
   */
  readonly source:
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "rendered"; readonly path: string }
    | { readonly kind: "certificate"; readonly part: "certificate" | "key" };
  readonly mounts: readonly SecretMount[];
}

const bacularis = "/var/www/bacularis/protected/vendor/bacularis";

/** Where Bacularis keeps the files of its API, and those of its web page. */
export const bacularisFolders = {
  apiConfig: `${bacularis}/bacularis-api/API/Config`,
  apiLogs: `${bacularis}/bacularis-api/API/Logs`,
  webConfig: `${bacularis}/bacularis-web/Web/Config`,
  webLogs: `${bacularis}/bacularis-web/Web/Logs`,
  working: `${bacularis}/bacularis-common/Common/Working`,
  runtime: "/var/www/bacularis/protected/runtime",
  assets: "/var/www/bacularis/htdocs/assets",
} as const;

/** The user that the web page is at its API; Bacularis takes letters and digits only. */
export const apiUser = "vmb";

/** Where nginx finds its certificate. */
export const certificateTargets = {
  certificate: "/etc/bacularis/bacularis_cert.pem",
  key: "/etc/bacularis/bacularis_key.pem",
} as const;

const director: SecretMount = { service: "vmb-director", reader: "root" };
const storage: SecretMount = { service: "vmb-storage", reader: "root" };
/** PHP runs bconsole, and is not root. */
const api: SecretMount = { service: "vmb-api", reader: "web" };

/** All podman secrets of the control VM. */
export const secretRecipes: readonly SecretRecipe[] = [
  included(secretFiles.director, [director]),
  included(secretFiles.console, [director, api]),
  included(secretFiles.monitor, [director]),
  included(secretFiles.fileDaemon, [director]),
  included(secretFiles.storage, [director, storage]),
  included(secretFiles.catalog, [director]),
  {
    name: "vmb-slack-failure-webhook",
    keys: ["SLACK_FAILURE_WEBHOOK"],
    // Podman takes no empty secret.
    source: { kind: "text", text: "@@SLACK_FAILURE_WEBHOOK@@\n" },
    mounts: [director],
  },
  {
    name: "vmb-db-password",
    keys: ["DB_PASSWORD"],
    source: { kind: "text", text: "@@DB_PASSWORD@@" },
    mounts: [{ service: "vmb-postgres", reader: "root" }],
  },
  rendered("vmb-api-conf", "api/api.conf", "DB_PASSWORD"),
  rendered("vmb-api-users", "api/bacularis.users", "API_PASSWORD"),
  {
    name: "vmb-api-login",
    keys: ["API_PASSWORD"],
    // For the health check: only with credentials the API shows that it works.
    source: { kind: "text", text: `${apiUser}:@@API_PASSWORD@@` },
    mounts: [{ service: "vmb-api", reader: "root" }],
  },
  rendered("vmb-web-hosts", "web/hosts.conf", "API_PASSWORD"),
  rendered("vmb-web-users", "web/bacularis.users", "BACULARIS_ADMIN_PASSWORD"),
  certificate("vmb-tls-certificate", "certificate"),
  certificate("vmb-tls-key", "key"),
];

/** A directive that Bacula's files include. */
function included(file: SecretFile, mounts: readonly SecretMount[]): SecretRecipe {
  const text = secretFileText(file, `@@${file.key}@@`);
  return { name: file.name, keys: [file.key], source: { kind: "text", text }, mounts };
}

function rendered(name: string, path: string, key: SecretKey): SecretRecipe {
  const [folder, file] = path.split("/");
  const isApi = folder === "api";
  return {
    name,
    keys: [key],
    source: { kind: "rendered", path },
    mounts: [{
      service: isApi ? "vmb-api" : "vmb-web",
      reader: "web",
      target: `${isApi ? bacularisFolders.apiConfig : bacularisFolders.webConfig}/${file}`,
    }],
  };
}

function certificate(name: string, part: "certificate" | "key"): SecretRecipe {
  const target = certificateTargets[part];
  return {
    name,
    keys: [],
    source: { kind: "certificate", part },
    mounts: [
      { service: "vmb-api", reader: "root", target },
      { service: "vmb-web", reader: "root", target },
    ],
  };
}
