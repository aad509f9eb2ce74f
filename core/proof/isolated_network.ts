import { VmbError } from "../error.ts";
import { escapeXml } from "../libvirt/xml_edit.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { Journal } from "../journal/journal.ts";
import { runOk } from "../sys/process.ts";
import type { System } from "../sys/system.ts";
import { testRunPrefix } from "./run_name.ts";
import { chooseSubnet, type Subnet } from "./subnet.ts";

/** A network of one test restore: a bridge that leads nowhere. */
export interface IsolatedNetwork {
  readonly name: string;
  readonly bridge: string;
  readonly subnet: Subnet;
}

/** libvirt may find a subnet in use that was free a moment ago. */
const attempts = 5;

/**
 * Makes a libvirt network without `<forward>`, and closes it: libvirt's own rules keep such a network from
 * being routed, but leave every service of the host open to it. A table of nftables that bears the run's
 * name drops whatever the bridge delivers, but for DHCP and answers to what the host asked.
 *
 * The table is there before the bridge is.
 *
 * @param short hexadecimal digits that name the run; a bridge's name has at most 15 characters
 * @throws {VmbError} `process.missing` (exit 5) without nft; `proof.network` with libvirt's words
 */
export async function makeIsolatedNetwork(
  { system, virsh, journal, stagingFolder }: {
    readonly system: Pick<System, "files" | "processes">;
    readonly virsh: Virsh;
    readonly journal: Journal;
    readonly stagingFolder: string;
  },
  short: string,
): Promise<IsolatedNetwork> {
  const { files, processes } = system;
  const name = `${testRunPrefix}${short}`;
  const bridge = `vmbt${short}`;
  await journal.write({ step: "test-network", name, table: tableOf(name) });
  const rulesFile = `${stagingFolder}/isolation.nft`;
  await files.write(rulesFile, isolationRules(tableOf(name), bridge));
  await runOk(processes, ["nft", "--file", rulesFile]);
  const file = `${stagingFolder}/network.xml`;
  for (let attempt = 0;; attempt++) {
    const { stdout } = await runOk(processes, ["ip", "-json", "route", "show", "table", "all"]);
    const subnet = chooseSubnet(stdout, Number.parseInt(short.slice(0, 4), 16) + attempt * 37);
    await files.write(file, isolatedNetworkXml({ name, bridge, subnet }));
    const made = await virsh.attempt(["net-create", file]);
    if (made.code === 0) return { name, bridge, subnet };
    if (attempt + 1 < attempts && /already in use/.test(made.stderr)) continue;
    throw new VmbError(
      `Isolated network of the test restore was not made: ${
        made.stderr.trim().replace(/^error:\s*/gm, "").replaceAll("\n", "; ")
      }`,
      {
        code: "proof.network",
        hint: "libvirt needs its network driver and dnsmasq; or use --no-network",
      },
    );
  }
}

/** Names of tables have no dash. */
function tableOf(network: string): string {
  return network.replaceAll("-", "_");
}

/** libvirt, formatnetwork.html: no `<forward>` is "isolated mode"; without `<dns>` no name leads out. */
export function isolatedNetworkXml({ name, bridge, subnet }: IsolatedNetwork): string {
  return `<network>
  <name>${escapeXml(name)}</name>
  <bridge name='${escapeXml(bridge)}' stp='off' delay='0'/>
  <dns enable='no'/>
  <ip address='${subnet.prefix}.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='${subnet.prefix}.16' end='${subnet.prefix}.250'/>
    </dhcp>
  </ip>
</network>
`;
}

/**
 * Before every other chain; what is dropped here no other rule can let in (nft(8), "Chains": a drop ends the
 * packet's way).
 */
export function isolationRules(table: string, bridge: string): string {
  return `table inet ${table} {
  chain input {
    type filter hook input priority -300; policy accept;
    iifname "${bridge}" ct state established,related accept
    iifname "${bridge}" meta nfproto ipv4 udp sport 68 udp dport 67 accept
    iifname "${bridge}" drop
  }
  chain forward {
    type filter hook forward priority -300; policy accept;
    iifname "${bridge}" drop
    oifname "${bridge}" drop
  }
}
`;
}
