import type { Argv, Completed, Processes } from "../sys/process.ts";

/** What a server said. */
export interface HttpAnswer {
  readonly status: number;
  /** By their names in small letters; of several the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface HttpRequest {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields of a form. */
  readonly form?: Readonly<Record<string, string>>;
}

/** The words by which openssl speaks TLS with a server; what is asked comes by its stdin, where no one sees it. */
export function tlsClient(address: string, ...options: readonly string[]): Argv {
  return ["openssl", "s_client", "-quiet", "-connect", address, ...options];
}

/**
 * Asks a server over one connection of its own.
 *
 * @param argv that connects its stdin and stdout with the server
 * @returns why there was no answer, or the answer
 */
export async function ask(
  { run }: Pick<Processes, "run">,
  argv: Argv,
  request: HttpRequest,
  timeoutMs: number,
): Promise<HttpAnswer | { readonly status: undefined; readonly why: string }> {
  const done = await run(argv, { stdin: requestText(request), timeoutMs });
  return parseAnswer(done.stdout) ?? { status: undefined, why: whyNot(done) };
}

function requestText({ method = "GET", path, host, headers = {}, form }: HttpRequest): string {
  const body = form === undefined ? "" : String(new URLSearchParams(form));
  const lines = Object.entries({
    Host: host,
    Connection: "close",
    ...headers,
    ...(form !== undefined && {
      "Content-Type": "application/x-www-form-urlencoded",
      "Content-Length": String(body.length),
    }),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.0\r\n${lines.join("")}\r\n${body}`;
}

/** Reads an answer of HTTP/1.0, whose body ends with the connection; `undefined` for what is none. */
export function parseAnswer(text: string): HttpAnswer | undefined {
  const end = /\r?\n\r?\n/.exec(text);
  const [first = "", ...lines] = text.slice(0, end?.index ?? text.length).split(/\r?\n/);
  const status = /^HTTP\/[\d.]+ (\d{3})/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers = new Map(lines.flatMap((line): readonly (readonly [string, string])[] => {
    const colon = line.indexOf(":");
    return colon < 1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]];
  }));
  const body = end === null ? "" : text.slice(end.index + end[0].length);
  return { status: Number(status), headers, body };
}

function whyNot({ stderr }: Completed): string {
  const why = /verify error:[^\n]*/.exec(stderr)?.[0] ?? stderr.trim().split("\n").at(-1);
  return why === undefined || why === "" ? "the connection ended" : why;
}
