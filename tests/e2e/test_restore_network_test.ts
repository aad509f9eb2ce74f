import assert from "node:assert/strict";
import type { Proof } from "../../core/proof/proof.ts";
import { createGuest } from "../lab/guest.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { waitFor } from "../lab/wait.ts";
import { program } from "./program.ts";
import { assertEnded, assertUndisturbed, hypervisorName, openSite, type Site } from "./site.ts";

const isRootHere = Deno.uid() === 0 && Deno.env.get("VMB_LAB_HYPERVISOR") === undefined;

const hostAddress = "198.51.100.1";
const uplinkAddress = "198.51.100.254";

/** A command in the network of the hypervisor. */
async function onHost(site: Site, ...argv: readonly string[]): Promise<string> {
  const { networkOf } = site.hypervisor;
  return await program("nsenter", `--net=/proc/${networkOf}/ns/net`, ...argv);
}

/**
 * Gives the hypervisor an uplink with a machine behind it, routing, a network "prod" that is routed to it, and
 * an echo service on both ends.
 */
async function giveUplink(lab: Lab, site: Site): Promise<void> {
  const start = (...args: readonly string[]) => {
    const child = new Deno.Command(args[0] ?? "", {
      args: args.slice(1),
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    lab.defer(async () => {
      await child.stdin.close().catch(() => {});
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended with its stdin.
      }
      await child.status;
    });
    return child.pid;
  };
  const uplink = start("unshare", "--net", "cat");
  const host = site.hypervisor.networkOf;
  const atUplink = (...argv: readonly string[]) =>
    program("nsenter", `--net=/proc/${uplink}/ns/net`, ...argv);
  await waitFor(
    async () =>
      await Deno.readLink(`/proc/${uplink}/ns/net`) !== await Deno.readLink("/proc/self/ns/net") ||
      undefined,
    { what: "the uplink's network", deadlineMs: 5000, everyMs: 20 },
  );
  await program(
    ...["ip", "link", "add", "uplink0", "netns", `${host}`, "type", "veth"] as const,
    ...["peer", "name", "uplink1", "netns", `${uplink}`],
  );
  for (
    const [run, device, address] of [
      [(...argv: readonly string[]) => onHost(site, ...argv), "uplink0", hostAddress],
      [atUplink, "uplink1", uplinkAddress],
    ] as const
  ) {
    await run("ip", "link", "set", "lo", "up");
    await run("ip", "addr", "add", `${address}/24`, "dev", device);
    await run("ip", "link", "set", device, "up");
  }
  await atUplink("ip", "route", "add", "default", "via", hostAddress);
  await onHost(site, "ip", "route", "add", "default", "via", uplinkAddress);
  await onHost(site, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
  for (const where of [host, uplink]) {
    start(
      ...["nsenter", `--net=/proc/${where}/ns/net`, "busybox", "nc", "-ll", "-p", "7000"],
      ...["-e", "/bin/cat"],
    );
  }
  const file = `${lab.folder}/prod.xml`;
  await Deno.writeTextFile(
    file,
    `<network><name>prod</name><forward mode='route'/><bridge name='prod0' delay='0'/>
<ip address='203.0.113.1' netmask='255.255.255.0'>
<dhcp><range start='203.0.113.50' end='203.0.113.99'/></dhcp></ip></network>`,
  );
  await site.hypervisor.virsh("net-create", file);
}

/** Runs a shell command in a guest; returns its exit status. */
async function inGuest(site: Site, domain: string, command: string): Promise<number> {
  const ask = async (execute: string, args: unknown) =>
    JSON.parse(
      await site.hypervisor.virsh(
        ...["qemu-agent-command", "--timeout", "20", domain],
        JSON.stringify({ execute, arguments: args }),
      ),
    ).return;
  const { pid } = await ask("guest-exec", {
    path: "/bin/busybox",
    arg: ["sh", "-c", command],
    "capture-output": true,
  });
  const status = await waitFor(async () => {
    const answer = await ask("guest-exec-status", { pid });
    return answer.exited ? answer : undefined;
  }, { what: `the end of '${command}'`, deadlineMs: 60_000, everyMs: 200 });
  return status.exitcode ?? 255;
}

const connects = (address: string, port: number) =>
  `export PATH=/bin:/sbin; nc -w 3 ${address} ${port} </dev/null`;

Deno.test({
  name: "vmb hv test-restore --isolated-net carries nothing out, and no copy sees another",
  ignore: !isRootHere,
  async fn(t) {
    await using lab = await openLab();
    const site = await openSite(lab, { sameNetwork: true });
    const { virsh } = site.hypervisor;
    await giveUplink(lab, site);
    const guest = await createGuest(site.hypervisor, {
      name: "guest",
      workload: "idle",
      networks: ["prod"],
    });
    await guest.start();
    await guest.waitForAgent();
    await guest.waitForConsole(/VMB-ADDRESS 203\.0\.113\./);
    await t.step("the original reaches host and uplink: the probes work", async () => {
      for (const address of [hostAddress, uplinkAddress]) {
        assert.equal(await inGuest(site, guest.name, connects(address, 7000)), 0, address);
      }
    });
    const entry = { name: guest.name, hypervisor: hypervisorName };
    await site.listVms([{ ...entry, validate: [{ tcp: 7777, timeout_seconds: 20 }] }]);
    assertEnded(await site.vmb("hv", "backup", guest.name), 0);
    await guest.destroy();

    const copies: { readonly uuid: string; readonly address: string }[] = [];
    await t.step("the host reaches a port of each of two copies", async () => {
      const ended = await Promise.all(
        [0, 1].map(() =>
          site.vmb("hv", "test-restore", guest.name, "--isolated-net", "--keep", "--json")
        ),
      );
      for (const each of ended) {
        assertEnded(each, 0);
        const { proof, kept } = JSON.parse(each.stdout) as { proof: Proof; kept: { uuid: string } };
        const address = proof.addresses[0] ?? "";
        assert.match(address, /^198\.1[89]\.\d+\.\d+$/);
        copies.push({ uuid: kept.uuid, address });
      }
      const networks = new Set(copies.map(({ address }) => address.replace(/\.\d+$/, "")));
      assert.equal(networks.size, 2, "both copies are on one subnet");
    });
    await t.step(
      "a copy reaches nothing: not the host, not the uplink, not the other copy",
      async () => {
        for (const [index, { uuid, address }] of copies.entries()) {
          const gateway = address.replace(/\.\d+$/, ".1");
          const route = `/bin/ip route replace default via ${gateway} dev eth0`;
          assert.equal(await inGuest(site, uuid, route), 0);
          const other = copies[1 - index]?.address ?? "";
          const otherGateway = other.replace(/\.\d+$/, ".1");
          for (
            const [target, port] of [
              [gateway, 7000],
              [hostAddress, 7000],
              [uplinkAddress, 7000],
              ["203.0.113.1", 7000],
              [other, 7777],
              [otherGateway, 7000],
              [gateway, 53],
            ] as const
          ) {
            assert.notEqual(
              await inGuest(site, uuid, connects(target, port)),
              0,
              `${target}:${port}`,
            );
            const ping = `/bin/ping -c 1 -W 2 ${target}`;
            assert.notEqual(await inGuest(site, uuid, ping), 0, `ping ${target}`);
          }
        }
      },
    );
    await t.step(
      "it is the rules that hold: without them a copy would reach the host",
      async () => {
        const tables = await onHost(site, "nft", "list", "tables", "inet");
        for (const [, table = ""] of tables.matchAll(/^table inet (vmb_test_\w+)$/gm)) {
          assert.match(await onHost(site, "nft", "list", "table", "inet", table), /drop/);
          await onHost(site, "nft", "delete", "table", "inet", table);
          break;
        }
        const reached = await Promise.all(
          copies.map(({ uuid, address }) =>
            inGuest(site, uuid, connects(address.replace(/\.\d+$/, ".1"), 7000))
          ),
        );
        assert.equal(
          reached.filter((status) => status === 0).length,
          1,
        );
      },
    );
    await t.step("networks and rules go with the copies", async () => {
      assert.match(await onHost(site, "nft", "list", "tables"), /vmb_test_/);
      assertEnded(await site.vmb("hv", "recover", "--kept"), 0);
      await assertGone(site);
    });
    await t.step("killed while the network is made, and after", async () => {
      for (const moment of [/== Making an isolated network/, /check network/]) {
        const run = site.start(["hv", "test-restore", guest.name, "--isolated-net"]);
        await run.until(moment);
        run.signal("SIGKILL");
        await run.ended;
        assertEnded(await site.vmb("hv", "recover"), 0);
        await assertGone(site);
      }
    });
    await t.step("by default its cable is pulled; with --no-network it has none", async () => {
      const carrier = { command: ["/bin/cat", "/sys/class/net/eth0/carrier"], output: "^0$" };
      await site.listVms([{ ...entry, validate: [carrier] }]);
      await virsh("net-destroy", "prod");
      assertEnded(await site.vmb("hv", "test-restore", guest.name), 0);
      const none = { command: ["/bin/ls", "/sys/class/net/eth0"], exit: 1 };
      await site.listVms([{ ...entry, validate: [none] }]);
      assertEnded(await site.vmb("hv", "test-restore", guest.name, "--no-network"), 0);
      await assertGone(site);
    });
    await assertUndisturbed(site, guest);
  },
});

/** Neither network nor bridge, rule or tap device of a test restore is there. */
async function assertGone(site: Site): Promise<void> {
  assert.doesNotMatch(await site.hypervisor.virsh("net-list", "--all", "--name"), /vmb-test/);
  assert.doesNotMatch(await onHost(site, "nft", "list", "tables"), /vmb_test/);
  assert.doesNotMatch(await onHost(site, "ip", "-brief", "link"), /vmbt|vnet/);
  assert.doesNotMatch(await site.hypervisor.virsh("list", "--all", "--name"), /vmb-test/);
}
