import type { Part } from "./part.ts";
import { amount, choice, each, index, number, plain, word } from "./values.ts";
import { seat, virtio } from "./guest_system.ts";

const virtioDriver = plain(virtio);

/** The disk that the guest sees, whatever is behind it. */
export const guestDisk: Part = {
  is: { device: /(disk|cdrom|floppy|lun)/ },
  attributes: { model: word },
  needs: ["target"],
  parts: {
    driver: plain({
      ...virtio,
      ...each("queues queue_size", number),
      ...each("discard detect_zeroes", word),
      event_idx: choice,
    }),
    target: {
      is: { dev: /(fd|hd|sd|vd|xvd|ubd)[A-Za-z0-9_]{1,16}/ },
      attributes: { bus: word, removable: choice, rotation_rate: number, tray: word },
    },
    serial: { text: /[A-Za-z0-9_ .+-]{1,247}/ },
    wwn: { text: index },
    ...each("vendor product", { text: /[\x20-\x2b\x2d-\x7e]{1,16}/ } satisfies Part),
    geometry: plain({ ...each("cyls heads secs", number), trans: word }),
    blockio: plain(each("logical_block_size physical_block_size discard_granularity", number)),
    readonly: plain(),
    ...seat,
  },
};

/** The network card that the guest sees, whatever it is attached to. */
export const guestInterface: Part = {
  parts: {
    model: { is: { type: word } },
    mtu: plain({ size: number }),
    rom: plain({ bar: choice, enabled: choice }),
    ...seat,
  },
};

const charTarget: Part = {
  attributes: { port: index, type: word },
  parts: { model: { is: { name: word } } },
};

const serial: Part = { parts: { target: charTarget, ...seat } };

const channel: Part = {
  needs: ["target"],
  parts: {
    // libvirt makes a socket's path of the name.
    target: { is: { type: /virtio/, name: /[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}/ } },
    ...seat,
  },
};

const video: Part = {
  parts: {
    driver: plain({ ...virtio, vgaconf: word, name: /qemu/ }),
    model: {
      is: { type: word },
      attributes: {
        ...each("vram ram vgamem vram64 heads", /\d{1,9}/),
        primary: choice,
        blob: choice,
        edid: choice,
      },
      parts: {
        resolution: plain({ x: number, y: number }),
        acceleration: plain({ accel2d: choice }),
      },
    },
    ...seat,
  },
};

const controller: Part = {
  is: { type: word },
  attributes: {
    ...each("index ports vectors maxGrantFrames maxEventChannels", number),
    model: word,
  },
  parts: {
    driver: plain({
      ...virtio,
      ...each("queues cmd_per_lun max_sectors", number),
      ioeventfd: choice,
    }),
    model: plain({ name: word }),
    target: {
      attributes: {
        ...each("chassisNr chassis port busNr index", index),
        ...each("hotplug memReserve", word),
      },
      parts: { node: { text: /\d{1,4}/ } },
    },
    pcihole64: amount,
    master: plain({ startport: number }),
    ...seat,
  },
};

/** Memory that is plugged in like a board, and not a file. */
const memory: Part = {
  is: { model: /(dimm|virtio-mem)/, discard: choice },
  needs: ["target"],
  parts: {
    target: {
      attributes: { dynamicMemslots: choice },
      parts: { ...each("size block requested current", amount), node: { text: /\d{1,4}/ } },
    },
    ...seat,
  },
};

const sound: Part = {
  is: { model: word },
  attributes: { multichannel: choice, streams: number },
  parts: {
    codec: { is: { type: word } },
    audio: plain({ id: number }),
    driver: virtioDriver,
    ...seat,
  },
};

/** Devices that QEMU makes out of nothing: no file, device, address or name of the host is in them. */
export const guestDevices: Readonly<Record<string, Part>> = {
  controller,
  serial,
  console: serial,
  channel,
  video,
  memory,
  sound,
  input: {
    is: { type: /(tablet|mouse|keyboard)/ },
    attributes: { bus: word, model: word },
    parts: { driver: virtioDriver, ...seat },
  },
  hub: { is: { type: /usb/ }, parts: seat },
  watchdog: { is: { model: word }, attributes: { action: word }, parts: seat },
  memballoon: {
    is: { model: word },
    attributes: each("autodeflate freePageReporting", choice),
    parts: { driver: virtioDriver, stats: plain({ period: number }), ...seat },
  },
  panic: { attributes: { model: word }, parts: seat },
  rng: {
    is: { model: word },
    needs: ["backend"],
    parts: {
      driver: virtioDriver,
      rate: plain({ bytes: number, period: number }),
      backend: { is: { model: /(random|builtin)/ }, text: /\s*\/dev\/(u?random|hwrng)\s*/ },
      ...seat,
    },
  },
  tpm: {
    is: { model: word },
    needs: ["backend"],
    parts: {
      backend: {
        is: { type: /emulator/ },
        attributes: { version: /[\d.]{1,5}/, persistent_state: choice, debug: number },
        parts: {
          active_pcr_banks: { parts: each("sha1 sha256 sha384 sha512", plain()) },
          profile: plain({ name: word, removeDisabled: word }),
        },
      },
      ...seat,
    },
  },
  iommu: {
    is: { model: word },
    parts: {
      driver: plain({
        ...each("intremap caching_mode eim iotlb dma_translation xtsup pt", choice),
        aw_bits: number,
      }),
      ...seat,
    },
  },
};
