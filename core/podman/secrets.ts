import { createHash } from "node:crypto";
import { exitCodes, VmbError } from "../error.ts";
import type { RenderedTree } from "../render/tree.ts";
import { isSecretKey, type SecretKey, type Secrets, secretTable } from "../secrets/secret_key.ts";
import { type Processes, runOk } from "../sys/process.ts";
import { type SecretRecipe, secretRecipes } from "./secret_recipe.ts";
import { sha512Crypt } from "./sha512_crypt.ts";

/** A podman secret as it shall be. */
export interface PodmanSecret {
  readonly recipe: SecretRecipe;
  /** With `@@KEY@@` and `@@KEY:sha512@@` in it. */
  readonly text: string;
  /** The values of the keys in the text. */
  readonly values: Secrets;
}

/** What there is to do about a podman secret. */
export interface SecretChange {
  readonly secret: PodmanSecret;
  readonly state: "new" | "changed" | "same";
}

/** The two PEM files of the web servers. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Names, in a label, what a secret was made of: podman shows no content unless it is told to. */
const label = "vmb-made-of";

/**
 * Puts together what every podman secret is made of.
 *
 * @param sources.tree that `renderBacularis` made
 * @throws {VmbError} `secrets.missing` (exit 4) for a key without a value; `secrets.placeholder` for one that the
 *   recipe of the secret does not name
 */
export function podmanSecrets(sources: {
  readonly secrets: Secrets;
  readonly tree: RenderedTree;
  readonly certificate: CertificateFiles;
}): readonly PodmanSecret[] {
  return secretRecipes.map((recipe) => {
    const text = sourceText(recipe, sources);
    const keys = [...text.matchAll(placeholder)].map(([whole, key = ""]) => {
      if (isSecretKey(key) && recipe.keys.includes(key)) return key;
      throw new VmbError(`Secret "${recipe.name}" may not hold ${whole}`, {
        code: "secrets.placeholder",
      });
    });
    return {
      recipe,
      text,
      values: new Map(keys.map((key) => [key, valueOf(key, sources.secrets)])),
    };
  });
}

const placeholder = /@@([A-Z_]+)(:sha512)?@@/g;

function valueOf(key: SecretKey, secrets: Secrets): string {
  const value = secrets.get(key);
  if (value !== undefined) return value;
  if (secretTable[key].kind === "webhook") return "";
  throw new VmbError(`No value for ${key} in secrets.conf`, {
    code: "secrets.missing",
    exit: exitCodes.config,
    hint: "Run: vmb ctl secrets init",
  });
}

function sourceText(
  { name, source }: SecretRecipe,
  { tree, certificate }: {
    readonly tree: RenderedTree;
    readonly certificate: CertificateFiles;
  },
): string {
  switch (source.kind) {
    case "text":
      return source.text;
    case "certificate":
      return certificate[source.part];
    case "rendered": {
      const file = tree.get(source.path);
      if (file !== undefined) return file.content;
      throw new VmbError(`Secret "${name}" needs "${source.path}", which was not rendered`, {
        code: "secrets.template",
      });
    }
  }
}

/**
 * Compares the podman secrets of this user with how they shall be; changes nothing.
 *
 * @throws {VmbError} `process.missing` (exit 5) without podman, `process.failed`
 */
export async function secretChanges(
  processes: Pick<Processes, "run">,
  wanted: readonly PodmanSecret[],
): Promise<readonly SecretChange[]> {
  const present = await presentHashes(processes);
  return wanted.map((secret) => {
    const hash = present.get(secret.recipe.name);
    return {
      secret,
      state: hash === undefined ? "new" : hash === secretFingerprint(secret) ? "same" : "changed",
    };
  });
}

/**
 * Makes the podman secrets that are new or changed. A content goes through stdin, never through argv; a run that
 * was interrupted is completed by the next one.
 */
export async function applySecrets(
  processes: Pick<Processes, "run">,
  changes: readonly SecretChange[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  for (const { secret, state } of changes) {
    if (state === "same") continue;
    const labelled = `${label}=${secretFingerprint(secret)}`;
    const { name } = secret.recipe;
    await runOk(
      processes,
      ["podman", "secret", "create", "--replace", "--label", labelled, name, "-"],
      { stdin: await contentOf(processes, secret), signal: options.signal },
    );
  }
}

async function contentOf(
  processes: Pick<Processes, "run">,
  { text, values }: PodmanSecret,
): Promise<string> {
  let content = "";
  let end = 0;
  for (const match of text.matchAll(placeholder)) {
    const [whole, key = "", hashed] = match;
    const value = isSecretKey(key) ? values.get(key) ?? "" : "";
    content += text.slice(end, match.index);
    content += hashed === undefined ? value : await sha512Crypt(processes, value);
    end = match.index + whole.length;
  }
  return content + text.slice(end);
}

/** The hash in the label of each podman secret; empty for one without our label. */
async function presentHashes(
  processes: Pick<Processes, "run">,
): Promise<ReadonlyMap<string, string>> {
  const listed = await runOk(processes, ["podman", "secret", "ls", "--format", "{{.Name}}"]);
  const ours = new Set(secretRecipes.map(({ name }) => name));
  const names = listed.stdout.split("\n").map((line) => line.trim()).filter((name) =>
    ours.has(name)
  );
  if (names.length === 0) return new Map();
  const shown = await runOk(processes, ["podman", "secret", "inspect", ...names]);
  const found = JSON.parse(shown.stdout) as readonly {
    readonly Spec: { readonly Name: string; readonly Labels?: Readonly<Record<string, string>> };
  }[];
  return new Map(found.map(({ Spec }) => [Spec.Name, Spec.Labels?.[label] ?? ""]));
}

/** Tells one state of a secret from another. Of its parts, not its content: a hash has another salt each time. */
export function secretFingerprint({ text, values }: PodmanSecret): string {
  return createHash("sha256").update(JSON.stringify([text, ...values])).digest("hex");
}
