import { type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import type { Site } from "../config/site.ts";
import { quoted } from "../format/quoted.ts";
import { webUser } from "../podman/bacularis.ts";
import { apiUser } from "../podman/secret_recipe.ts";
import type { ServiceName } from "../podman/service.ts";
import type { Secrets } from "../secrets/secret_key.ts";
import type { Files } from "../sys/files.ts";
import type { Argv, Processes } from "../sys/process.ts";
import { inContainer } from "./containers.ts";
import { ask, type HttpAnswer, type HttpRequest, tlsClient } from "./https.ts";

/** How long an answer may take, in milliseconds; a busy machine takes many seconds for an exec alone. */
const timeoutMs = 120_000;

interface Programs {
  readonly processes: Pick<Processes, "run">;
}

interface PageDoors extends Programs {
  readonly files: Pick<Files, "inspectTarget">;
}

/** What is asked of Bacularis here, and with what. */
export interface BacularisSources {
  readonly site: Pick<Site, "control" | "ports">;
  readonly secrets: Secrets;
  /** Path of the certificate that browsers are to trust. */
  readonly certificate: string;
}

/**
 * Asks the API as the web page does, from inside its container: what the API says of the catalog and of the Director,
 * by the password that was deployed. With a status alone, an API that shows nothing but an error would be well.
 *
 * @param options.defaults also tries what the images come with, which must be refused
 */
export async function apiWorks(
  { processes }: Programs,
  { secrets }: Pick<BacularisSources, "secrets">,
  { defaults = false }: { readonly defaults?: boolean } = {},
): Promise<CheckVerdict> {
  const get = (path: string, user: string, password: string) =>
    ask(processes, inContainer("vmb-web", ...tlsClient("vmb-api:9097")), {
      path,
      host: "vmb-api",
      // What goes through argv is seen by everyone on the machine; this goes through stdin.
      headers: { Authorization: `Basic ${btoa(`${user}:${password}`)}` },
    }, timeoutMs);
  const password = secrets.get("API_PASSWORD") ?? "";
  for (const path of ["/api/v2/jobs?limit=1", "/api/v2/jobs/resnames"]) {
    const answer = await get(path, apiUser, password);
    const fault = apiFault(answer);
    if (fault !== undefined) return broken("vmb-api", `${fault} (asked for ${path})`);
  }
  if (defaults) {
    const { status } = await get("/api/v2/welcome", "admin", "admin");
    if (status !== 401) return broken("vmb-api", "lets in the user that its image comes with");
  }
  return passed("answers with what the catalog and the Director say");
}

type Answered = Awaited<ReturnType<typeof ask>>;

function apiFault(answer: Answered): string | undefined {
  if (answer.status === undefined) return `no answer over HTTPS: ${answer.why}`;
  if (answer.status === 401) return "refuses the password of secrets.conf";
  try {
    const { error, output } = JSON.parse(answer.body);
    if (error === 0) return undefined;
    return `answers with error ${error}: ${quoted(String(output).slice(0, 200))}`;
  } catch {
    return noBacularis(answer);
  }
}

/**
 * Asks the web page from the machine, as a browser that trusts the certificate of the repository: it must lead to its
 * login page.
 */
export async function webAnswers(
  machine: PageDoors,
  sources: Pick<BacularisSources, "site" | "certificate">,
): Promise<CheckVerdict> {
  if (await machine.files.inspectTarget(sources.certificate) === undefined) {
    return failed(`no certificate "${sources.certificate}"`, "Run: vmb ctl certs");
  }
  const answer = await browser(machine, sources)({ path: "/" });
  const fault = loginPathOf(answer) === undefined ? pageFault(answer) : undefined;
  return fault === undefined ? passed("leads to its login page") : broken("vmb-web", fault);
}

/** Logs in by the form of the login page, with what was deployed. A second factor, where one is set, is asked next. */
export async function webLogin(
  machine: PageDoors,
  sources: BacularisSources,
  { defaults = false }: { readonly defaults?: boolean } = {},
): Promise<CheckVerdict> {
  if (await machine.files.inspectTarget(sources.certificate) === undefined) {
    return { outcome: "skipped", detail: "there is no certificate" };
  }
  const password = sources.secrets.get("BACULARIS_ADMIN_PASSWORD") ?? "";
  const own = await tryLogin(machine, sources, webUser, password);
  if (own.result === "limited") {
    return warned("takes no further login for a moment", "Too many were tried; ask again later");
  }
  if (own.result === "refused") return broken("vmb-web", "refuses the password of secrets.conf");
  if (own.result === "broken") return broken("vmb-web", own.why);
  if (defaults && password !== "admin") {
    const { result } = await tryLogin(machine, sources, "admin", "admin");
    if (result === "in" || result === "second-factor") {
      return broken("vmb-web", "lets in the user that its image comes with");
    }
  }
  return passed(
    own.result === "in" ? "logs in" : "takes the password, and asks for the second factor",
  );
}

type LoginResult =
  | { readonly result: "in" }
  | { readonly result: "second-factor" }
  | { readonly result: "refused" }
  | { readonly result: "limited" }
  | { readonly result: "broken"; readonly why: string };

async function tryLogin(
  machine: Programs,
  sources: Pick<BacularisSources, "site" | "certificate">,
  user: string,
  password: string,
): Promise<LoginResult> {
  const go = browser(machine, sources);
  const first = await go({ path: "/" });
  const path = loginPathOf(first);
  if (path === undefined) return { result: "broken", why: pageFault(first) };
  const cookie = { Cookie: cookieOf(first) };
  const page = await go({ path, headers: cookie });
  if (page.status !== 200) return { result: "broken", why: pageFault(page) };
  const fields = loginForm(page.body);
  if (fields === undefined) return { result: "broken", why: "its login page has no form" };
  const done = await go({
    method: "POST",
    path,
    headers: cookie,
    form: {
      ...fields.hidden,
      [fields.user]: user,
      [fields.password]: password,
    },
  });
  if (done.status === 429) return { result: "limited" };
  if (done.status === 302 && loginPathOf(done) === undefined) return { result: "in" };
  if (done.status !== 200) return { result: "broken", why: pageFault(done) };
  return { result: /Invalid username or password/.test(done.body) ? "refused" : "second-factor" };
}

/** Prado, of which Bacularis is made, takes a form only with the state that it gave, and the name of what was clicked. */
function loginForm(html: string) {
  const named = (end: string) =>
    [...html.matchAll(/<input[^>]*\bname="([^"]+)"/g)].map(([, name = ""]) => name)
      .find((name) => name.endsWith(end));
  const [user, password] = [named("$Username"), named("$Password")];
  const state = /name="PRADO_PAGESTATE"[^>]*\bvalue="([^"]*)"/.exec(html)?.[1];
  const button = /'EventTarget':"([^"]*\$LoginBtn)"/.exec(html)?.[1];
  if (user === undefined || password === undefined) return undefined;
  if (state === undefined || button === undefined) return undefined;
  return {
    user,
    password,
    hidden: {
      PRADO_PAGESTATE: state,
      PRADO_POSTBACK_TARGET: button,
      PRADO_POSTBACK_PARAMETER: "",
    },
  };
}

function browser(
  { processes }: Programs,
  { site: { control, ports }, certificate }: Pick<BacularisSources, "site" | "certificate">,
): (request: Omit<HttpRequest, "host">) => Promise<Answered> {
  const kind = /^[\d.]+$|:/.test(control.host) ? "-verify_ip" : "-verify_hostname";
  const argv: Argv = tlsClient(
    `127.0.0.1:${ports.web}`,
    ...["-CAfile", certificate, "-partial_chain", "-verify_return_error", kind, control.host],
  );
  return (request) => ask(processes, argv, { ...request, host: control.host }, timeoutMs);
}

/** Where a redirection leads; only within the page. */
function loginPathOf(answer: Answered): string | undefined {
  if (answer.status !== 302) return undefined;
  const path = (answer.headers.get("location") ?? "").replace(/^https?:\/\/[^/]*/, "");
  return /^\/[!-~]*login[!-~]*$/i.test(path) ? path : undefined;
}

function cookieOf(answer: Answered): string {
  if (answer.status === undefined) return "";
  return /^[^;]*/.exec(answer.headers.get("set-cookie") ?? "")?.[0] ?? "";
}

function pageFault(answer: Answered): string {
  return answer.status === undefined ? `no answer over HTTPS: ${answer.why}` : noBacularis(answer);
}

/** What Bacularis lacks it says on a page with status 200. */
function noBacularis({ status, body }: HttpAnswer): string {
  const missing = /Missing dependencies/.test(body)
    ? [...body.matchAll(/<li>(.*?)<\/li>/g)].map(([, item = ""]) => item.replace(/<[^>]*>/g, ""))
    : undefined;
  if (missing === undefined) return `answers ${status}, and not as Bacularis does when it works`;
  return `answers that it cannot work: ${quoted(missing.slice(0, 2).join(" "))}`;
}

function broken(service: ServiceName, fault: string): CheckVerdict {
  return failed(fault, `Look at: journalctl -u ${service}`);
}
