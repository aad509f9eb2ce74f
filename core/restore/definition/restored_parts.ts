import { guestBoot, guestSystem } from "./guest_system.ts";
import type { Part } from "./part.ts";
import { restoredDevices } from "./restored_devices.ts";
import { amount, choice, each, index, number, plain, text, unit, word } from "./values.ts";

const format = /(raw|qcow2)/;
const cpuset = /[\d,^-]{1,400}/;

/**
 * What a clone keeps of its original: the guest's own, what only people and libvirt read, and networks, on
 * which there is room for two. Files are "ours": images and firmware.
 */
export const cloneParts: Part = {
  is: { type: /(kvm|qemu)/ },
  parts: {
    ...guestSystem,
    ...each("name uuid title description", { text } satisfies Part),
    metadata: { opaque: true },
    on_crash: { text: word },
    ...each("iothreads", { text: number } satisfies Part),
    iothreadids: {
      parts: { iothread: plain({ id: number, thread_pool_min: number, thread_pool_max: number }) },
    },
    // libvirt labels by itself.
    seclabel: { is: { type: /dynamic/, relabel: /yes/ }, attributes: { model: word } },
    os: {
      attributes: { firmware: word },
      parts: {
        ...guestBoot,
        loader: {
          attributes: { ...each("readonly secure stateless", choice), type: word, format },
          text: "ours",
        },
        nvram: {
          attributes: { template: "ours", templateFormat: format, format, type: /file/ },
          text: "ours",
          parts: { source: { is: { file: "ours" } } },
        },
        ...each("kernel initrd dtb", { text: "ours" } satisfies Part),
      },
    },
    devices: { parts: restoredDevices },
  },
};

const devices = restoredDevices as Readonly<Record<string, Part>>;
const system = guestSystem as Readonly<Record<string, Part>>;

/** An address on this host, that the VM itself had; a second VM could not have it. */
const ports = each("port tlsPort websocket", /-?\d{1,5}/);

/**
 * What a VM that is restored as itself may have without anybody's word: beside what a clone keeps, its share
 * of this host's processors and memory, and numbers that are its own.
 */
export const ordinaryParts: Part = {
  ...cloneParts,
  parts: {
    ...cloneParts.parts,
    memory: system["memory"] ?? {},
    vcpu: {
      attributes: { current: number, placement: word, cpuset },
      text: /\s*\d{1,4}\s*/,
    },
    cpu: {
      ...system["cpu"],
      parts: {
        ...system["cpu"]?.parts,
        numa: {
          parts: {
            cell: withAttributes(
              ((system["cpu"]?.parts?.["numa"] as Part).parts?.["cell"]) as Part,
              { memAccess: word },
            ),
          },
        },
      },
    },
    memoryBacking: {
      parts: {
        hugepages: { parts: { page: plain({ size: number, unit, nodeset: cpuset }) } },
        ...each("nosharepages locked discard", plain()),
        source: plain({ type: /(anonymous|memfd)/ }),
        access: plain({ mode: word }),
        allocation: plain({ mode: word, threads: number }),
      },
    },
    cputune: {
      parts: {
        ...each(
          "shares period quota global_period global_quota emulator_period",
          { text: /-?\d+/ } satisfies Part,
        ),
        ...each("emulator_quota iothread_period iothread_quota", { text: /-?\d+/ } satisfies Part),
        ...each(
          "vcpupin emulatorpin iothreadpin",
          plain({ vcpu: number, iothread: number, cpuset }),
        ),
        ...each(
          "vcpusched iothreadsched emulatorsched",
          plain({ vcpus: cpuset, iothreads: cpuset, scheduler: word, priority: number }),
        ),
      },
    },
    numatune: {
      parts: {
        memory: plain({ mode: word, nodeset: cpuset, placement: word }),
        memnode: plain({ cellid: number, mode: word, nodeset: cpuset }),
      },
    },
    memtune: {
      parts: each("hard_limit soft_limit swap_hard_limit min_guarantee", amount),
    },
    blkiotune: { parts: { weight: { text: number } } },
    resource: { parts: { partition: { text: /(\/[A-Za-z0-9_.-]+)+/ } } },
    perf: { parts: { event: plain({ name: word, enabled: choice }) } },
    keywrap: { parts: { cipher: plain({ name: word, state: choice }) } },
    launchSecurity: {
      is: { type: word },
      attributes: { kernelHashes: choice },
      parts: {
        ...each("policy cbitpos reducedPhysBits", { text: index } satisfies Part),
        ...each("dhCert session", { text: /[A-Za-z0-9+/=\s]{0,8192}/ } satisfies Part),
      },
    },
    devices: {
      parts: {
        ...restoredDevices,
        disk: withParts(devices["disk"] ?? {}, each("shareable transient", plain())),
        interface: [
          ...[restoredDevices["interface"] ?? []].flat().map((part) => ({
            ...withParts(part, { target: plain({ dev: /[A-Za-z0-9_.-]{1,15}/ }) }),
          })),
        ],
        graphics: withAttributes(devices["graphics"] ?? {}, ports),
        vsock: withParts(devices["vsock"] ?? {}, {
          cid: plain({ auto: choice, address: number }),
        }),
      },
    },
  },
};

function withParts(part: Part, parts: Part["parts"]): Part {
  return { ...part, parts: { ...part.parts, ...parts } };
}

function withAttributes(part: Part, attributes: Part["attributes"]): Part {
  return { ...part, attributes: { ...part.attributes, ...attributes } };
}
