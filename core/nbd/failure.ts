import { VmbError } from "../error.ts";

/** Which export of which server a connection is about; every message names both. */
export interface NbdPeer {
  readonly socketPath: string;
  readonly exportName: string;
}

/** The server could not be reached. */
export function connectFailure(peer: NbdPeer, cause: unknown): VmbError {
  return new VmbError(`No connection to the NBD server of ${show(peer)}: ${textOf(cause)}`, {
    code: "nbd.connect",
    cause,
  });
}

/** The server refused, or cannot do what is needed, or did not answer in time. */
export function handshakeFailure(peer: NbdPeer, detail: string, hint?: string): VmbError {
  return new VmbError(`NBD handshake failed for ${show(peer)}: ${detail}`, {
    code: "nbd.handshake",
    hint,
  });
}

/** The server broke a rule of the protocol; nothing it says can be trusted any more. */
export function protocolFailure(peer: NbdPeer, detail: string): VmbError {
  return new VmbError(`NBD server of ${show(peer)} broke the protocol: ${detail}`, {
    code: "nbd.protocol",
  });
}

/** The connection ended before the work did. */
export function disconnectFailure(peer: NbdPeer, detail: string, cause?: unknown): VmbError {
  return new VmbError(`NBD connection to ${show(peer)} ended: ${detail}`, {
    code: "nbd.disconnected",
    cause,
  });
}

/** The server answered a request with an error. */
export function remoteFailure(peer: NbdPeer, action: string, detail: string): VmbError {
  return new VmbError(`NBD ${action} failed for ${show(peer)}: ${detail}`, { code: "nbd.remote" });
}

/** The request breaks the constraints that the server advertised: a mistake of the caller. */
export function requestFailure(peer: NbdPeer, detail: string): VmbError {
  return new VmbError(`NBD request to ${show(peer)} not sent: ${detail}`, { code: "nbd.request" });
}

/** Text of a server as part of a message: one line, no control characters, not too long. */
export function quoteServerText(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are exactly what must go
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return `"${line.length > 200 ? `${line.slice(0, 200)}...` : line}"`;
}

export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function show(peer: NbdPeer): string {
  return `export "${peer.exportName}" on "${peer.socketPath}"`;
}
