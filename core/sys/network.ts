import { withDeadline } from "./deadline.ts";

/** A stream to a peer, as much of `Deno.Conn` as a protocol needs. */
export interface Connection {
  /** Reads up to `buffer.length` bytes; `null` when the peer has closed. */
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Value of a `Retry-After` header in seconds, when the server sent one. */
  readonly retryAfter: number | undefined;
}

/** The door to sockets and HTTP. */
export interface Network {
  connectUnix(path: string): Promise<Connection>;
  /** Connects to a TCP port and closes again; rejects when that does not succeed in time. */
  probeTcp(address: string, port: number, options: { readonly timeoutMs: number }): Promise<void>;
  /** Sends JSON by POST. Any answer resolves, whatever its status; no answer rejects. */
  postJson(url: string, body: unknown, options: { readonly timeoutMs: number }): Promise<Answer>;
}

export const systemNetwork: Network = {
  connectUnix: (path) => Deno.connect({ transport: "unix", path }),
  async probeTcp(address, port, { timeoutMs }) {
    const connecting = Deno.connect({ hostname: address, port });
    const probe = connecting.then((connection) => connection.close());
    await withDeadline(`Port ${port} of ${address}`, timeoutMs, probe);
  },
  async postJson(url, body, { timeoutMs }) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
    return {
      status: response.status,
      body: (await response.text()).slice(0, 500),
      retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
    };
  },
};
