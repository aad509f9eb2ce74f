import type { DomainState } from "../../../core/libvirt/domain.ts";
import type { Argv, Completed, Processes, RunOptions } from "../../../core/sys/process.ts";
import { systemProcesses } from "../../../core/sys/process.ts";

export const uuid = "6b7a1c9e-3f52-4d0e-9a41-0c5d8f2b7e11";

/** What a libvirt that exists only in a test says of its one domain, `web`. */
export interface FakeDomain {
  readonly inactive: string;
  /** Of a domain that runs; the inactive XML, when there is no other. */
  readonly live?: string;
  readonly state?: DomainState;
  readonly snapshots?: readonly string[];
  readonly checkpoints?: readonly string[];
  readonly managedSave?: boolean;
  readonly agent?: "answers" | "frozen" | "silent";
  /** Targets with a block job. */
  readonly busy?: readonly string[];
  readonly backupJob?: string;
  /** Paths of storage volumes, by `pool/volume`. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** UUIDs of libvirt's secrets. */
  readonly secrets?: readonly string[];
}

/** The XML of a domain with these disks and other devices. */
export function domainXml(devices: string, rest = ""): string {
  return `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <uuid>${uuid}</uuid>
  ${rest}
  <devices>
    ${devices}
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>
`;
}

/** A `<disk>` of a file. */
export function fileDisk(target: string, path: string, format = "qcow2", rest = ""): string {
  return `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='${path}'/><target dev='${target}' bus='virtio'/>${rest}</disk>`;
}

/** Answers virsh; every other program runs for real. An unexpected command of virsh is an error. */
export function fakeVirshProcesses(domain: FakeDomain): Processes {
  return {
    ...systemProcesses,
    run(argv: Argv, options?: RunOptions): Promise<Completed> {
      if (argv[0] !== "virsh") return systemProcesses.run(argv, options);
      const [command = "", ...words] = argv.slice(4);
      const answer = answerTo(domain, command, words);
      return Promise.resolve({
        argv,
        code: "error" in answer ? 1 : 0,
        stdout: "out" in answer ? answer.out : "",
        stderr: "error" in answer ? `error: ${answer.error}\n` : "",
      });
    },
  };
}

function answerTo(
  domain: FakeDomain,
  command: string,
  words: readonly string[],
): { readonly out: string } | { readonly error: string } {
  const { state = "shut off", inactive, live = inactive } = domain;
  const option = (name: string) =>
    words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  const lines = (names: readonly string[] = []) => ({ out: `${names.join("\n")}\n` });
  switch (command) {
    case "list":
      return { out: `${uuid} web\n` };
    case "domstate":
      return { out: `${state}\n` };
    case "dominfo":
      return {
        out: `Autostart:      disable\nPersistent:     yes\nManaged save:   ${
          domain.managedSave ? "yes" : "no"
        }\n`,
      };
    case "dumpxml":
      return { out: words.includes("--inactive") ? inactive : live };
    case "domblkinfo":
      return { out: "Capacity:       16777216\nAllocation:     16777216\n" };
    case "snapshot-list":
      return lines(domain.snapshots);
    case "checkpoint-list":
      return lines(domain.checkpoints);
    case "blockjob":
      return {
        out: domain.busy?.includes(words[1] ?? "") ? " type=Block Copy\n cur=1\n end=2\n" : "",
      };
    case "backup-dumpxml":
      return domain.backupJob === undefined
        ? { error: "Domain backup job id not found: no domain backup job present" }
        : { out: domain.backupJob };
    case "vol-path": {
      const path = domain.volumes?.[`${option("pool")}/${option("vol")}`];
      return path === undefined
        ? { error: `failed to get vol '${option("vol")}'\nerror: Storage volume not found` }
        : { out: `${path}\n` };
    }
    case "secret-list":
      return {
        out: (domain.secrets ?? []).map((secret) => ` ${secret}   volume /x\n`).join(""),
      };
    case "qemu-agent-command":
      return domain.agent === "silent"
        ? { error: "Guest agent is not responding: QEMU guest agent is not connected" }
        : words.join(" ").includes("guest-fsfreeze-status")
        ? { out: `{"return":"${domain.agent === "frozen" ? "frozen" : "thawed"}"}\n` }
        : { out: '{"return":{}}\n' };
    default:
      throw new Error(`unexpected: virsh ${[command, ...words].join(" ")}`);
  }
}
