import type { Part } from "./part.ts";
import { amount, choice, each, index, number, plain, size, text, unit, word } from "./values.ts";

const state = plain({ state: choice });

const hyperv: Part = {
  attributes: { mode: word },
  parts: {
    ...each(
      "relaxed vapic vpindex runtime synic reset frequencies reenlightenment ipi evmcs avic emsr_bitmap xmm_input",
      state,
    ),
    stimer: { attributes: { state: choice }, parts: { direct: state } },
    tlbflush: { attributes: { state: choice }, parts: { direct: state, extended: state } },
    spinlocks: plain({ state: choice, retries: number }),
    vendor_id: plain({ state: choice, value: /[A-Za-z0-9 _.-]{1,12}/ }),
  },
};

const features: Part = {
  parts: {
    ...each("pae acpi viridian privnet", plain()),
    ...each(
      "hap pvspinlock pmu vmport htm nested-hv ccf-assist vmcoreinfo async-teardown ras ps2",
      state,
    ),
    apic: plain({ eoi: choice }),
    hyperv,
    kvm: {
      parts: {
        ...each("hidden hint-dedicated poll-control pv-ipi", state),
        "dirty-ring": plain({ state: choice, size: number }),
      },
    },
    gic: plain({ version: word }),
    smm: { attributes: { state: choice }, parts: { tseg: amount } },
    ioapic: plain({ driver: word }),
    hpt: { attributes: { resizing: word }, parts: { maxpagesize: amount } },
    msrs: plain({ unknown: word }),
    ...each("cfpc sbbc ibs", plain({ value: word })),
    tcg: { parts: { "tb-cache": amount } },
  },
};

const cpu: Part = {
  attributes: { ...each("mode match check", word), migratable: choice },
  parts: {
    model: { attributes: { fallback: word, vendor_id: /[A-Za-z0-9 ]{12}/ }, text: word },
    vendor: { text: word },
    topology: plain(each("sockets dies clusters cores threads", number)),
    cache: plain({ mode: word, level: number }),
    feature: plain({ policy: word, name: word }),
    maxphysaddr: plain({ mode: word, bits: number, limit: number }),
    numa: {
      parts: {
        cell: {
          is: { unit, memory: size },
          attributes: { id: number, cpus: /[\d,^-]{1,400}/, discard: choice },
          parts: {
            distances: { parts: { sibling: plain({ id: number, value: number }) } },
            cache: {
              attributes: { level: number, associativity: word, policy: word },
              parts: { size: plain({ value: number, unit }), line: plain({ value: number, unit }) },
            },
          },
        },
      },
    },
  },
};

const clock: Part = {
  attributes: {
    offset: word,
    adjustment: /-?\w{1,20}/,
    basis: word,
    timezone: /[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+){0,2}/,
    start: number,
  },
  parts: {
    timer: {
      attributes: {
        ...each("name track tickpolicy mode", word),
        frequency: number,
        present: choice,
      },
      parts: { catchup: plain(each("threshold slew limit", number)) },
    },
  },
};

/** Strings that the guest's firmware shows to its system. */
const entries: Part = { parts: { entry: { attributes: { name: /[A-Za-z0-9_./-]{1,64}/ }, text } } };

/** The machine that a guest's system sees, without its devices, its firmware and its names. */
export const guestSystem: Readonly<Record<string, Part>> = {
  memory: { is: { unit }, attributes: { dumpCore: choice }, text: size },
  currentMemory: amount,
  maxMemory: { is: { unit }, attributes: { slots: number }, text: size },
  vcpu: { attributes: { current: number, placement: /static/ }, text: /\s*\d{1,4}\s*/ },
  vcpus: {
    parts: { vcpu: plain({ id: number, enabled: choice, hotpluggable: choice, order: number }) },
  },
  sysinfo: {
    is: { type: /smbios/ },
    parts: { ...each("bios system baseBoard chassis oemStrings", entries) },
  },
  features,
  cpu,
  clock,
  ...each("on_poweroff on_reboot", { text: /(destroy|restart)/ } satisfies Part),
  pm: { parts: each("suspend-to-mem suspend-to-disk", plain({ enabled: choice })) },
  genid: { text: /[0-9a-fA-F-]{0,36}/ },
};

/** Of `<os>`: what is not firmware. */
export const guestBoot: Readonly<Record<string, Part>> = {
  type: { attributes: { arch: word, machine: word }, text: /\s*hvm\s*/ },
  boot: { is: { dev: word } },
  bootmenu: plain({ enable: choice, timeout: number }),
  smbios: { is: { mode: /(emulate|sysinfo)/ } },
  bios: plain({ useserial: choice, rebootTimeout: /-?\d{1,5}/ }),
  firmware: {
    attributes: { type: word },
    parts: { feature: plain({ enabled: choice, name: word }) },
  },
  cmdline: { text },
};

/** Where a device sits in the guest. */
export const seat: Readonly<Record<string, Part>> = {
  address: {
    is: {
      type: /(pci|drive|virtio-serial|ccid|usb|isa|ccw|virtio-mmio|dimm|unassigned|spapr-vio)/,
    },
    attributes: {
      ...each("domain bus slot function controller target unit base slot reg iobase irq", index),
      ...each("cssid ssid devno", index),
      port: /[0-9a-fA-Fx]+(\.\d+){0,7}/,
      multifunction: choice,
    },
    parts: { zpci: plain({ uid: index, fid: index }) },
  },
  acpi: plain({ index: number }),
  boot: plain({ order: number, loadparm: /[A-Za-z0-9 .]{1,8}/ }),
};

export const virtio = each("iommu ats packed page_per_vq", choice);
