import { waitFor } from "./wait.ts";

/** A message that arrived. */
export interface SlackPost {
  readonly path: string;
  readonly contentType: string | null;
  readonly body: string;
  /** When it arrived, by `performance.now()`, in milliseconds. */
  readonly at: number;
}

/** What the receiver does with a message: answers it, or never does. */
export type SlackAnswer =
  | { readonly status: number; readonly retryAfterSeconds?: number }
  | "hang";

/** A web server on this machine that stands in for Slack's incoming webhooks. */
export interface SlackReceiver extends AsyncDisposable {
  /** The address to post to. */
  readonly url: string;
  readonly posts: readonly SlackPost[];
  /** Plans the answers to the next messages; after those, every message is taken with "ok". */
  plan(...answers: readonly SlackAnswer[]): void;
  /** Waits until that many messages have come. Default deadline 10 s. */
  waitForPosts(count: number, deadlineMs?: number): Promise<readonly SlackPost[]>;
}

export function startSlack(): SlackReceiver {
  const posts: SlackPost[] = [];
  const planned: SlackAnswer[] = [];
  const ended = Promise.withResolvers<Response>();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
  }, async (request) => {
    posts.push({
      path: new URL(request.url).pathname,
      contentType: request.headers.get("content-type"),
      body: await request.text(),
      at: performance.now(),
    });
    const answer = planned.shift() ?? { status: 200 };
    if (answer === "hang") return await ended.promise;
    const { status, retryAfterSeconds } = answer;
    return new Response(status === 200 ? "ok" : `error_${status}`, {
      status,
      headers: retryAfterSeconds === undefined ? {} : { "retry-after": `${retryAfterSeconds}` },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/services/T000/B000/secret`,
    posts,
    plan: (...answers) => void planned.push(...answers),
    waitForPosts: (count, deadlineMs = 10_000) =>
      waitFor(() => Promise.resolve(posts.length >= count ? posts : undefined), {
        what: `${count} Slack messages`,
        deadlineMs,
        everyMs: 20,
        evidence: () => Promise.resolve(posts.map((post) => post.body).join("\n")),
      }),
    async [Symbol.asyncDispose]() {
      ended.resolve(new Response("too late", { status: 503 }));
      await server.shutdown();
    },
  };
}
