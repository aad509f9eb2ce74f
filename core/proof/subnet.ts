import { VmbError } from "../error.ts";

/** A range of IPv4 addresses as routes name them. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/** A network of 254 hosts, for one test restore. */
export interface Subnet {
  /** `198.18.7`: the first three numbers of its addresses. */
  readonly prefix: string;
}

/** 198.18.0.0/15, set aside for tests of network devices (RFC 2544): no site routes it. */
const poolStart = 198 * 2 ** 24 + 18 * 2 ** 16;
const poolSize = 512;

/**
 * Chooses a subnet that overlaps with no route of this host.
 *
 * @param routes what `ip -json route show table all` prints
 * @param seed where in the pool to begin: two runs at once should begin at different places
 * @throws {VmbError} `proof.no-subnet` when all of them are routed
 */
export function chooseSubnet(routes: string, seed: number): Subnet {
  const taken = readRoutes(routes);
  for (let step = 0; step < poolSize; step++) {
    const first = poolStart + ((seed + step) % poolSize) * 256;
    const free = taken.every((range) => range.last < first || range.first > first + 255);
    if (free) return { prefix: [24, 16, 8].map((bits) => (first >>> bits) & 255).join(".") };
  }
  throw new VmbError("Every subnet of 198.18.0.0/15 overlaps with a route of this host", {
    code: "proof.no-subnet",
    hint: "Look at: ip route show table all",
  });
}

/** Whether an address is one of a subnet. */
export function isInSubnet(address: string, { prefix }: Subnet): boolean {
  return address.startsWith(`${prefix}.`);
}

/** The default route says nothing: it leads to whatever has no route of its own. */
function readRoutes(text: string): readonly Range[] {
  const routes = JSON.parse(text || "[]") as readonly { readonly dst?: unknown }[];
  return routes.flatMap(({ dst }) => {
    const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(String(dst));
    if (match === null) return [];
    const [a = 0, b = 0, c = 0, d = 0, bits = 32] = match.slice(1).filter((part) =>
      part !== undefined
    ).map(Number);
    if (bits === 0) return [];
    const size = 2 ** (32 - bits);
    const address = ((a * 256 + b) * 256 + c) * 256 + d;
    const first = address - address % size;
    return [{ first, last: first + size - 1 }];
  });
}
