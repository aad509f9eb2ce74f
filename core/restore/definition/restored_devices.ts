import { guestDevices, guestDisk, guestInterface } from "./guest_devices.ts";
import { seat, virtio } from "./guest_system.ts";
import type { Part } from "./part.ts";
import { choice, each, index, number, plain, text, word } from "./values.ts";

const alias = plain({ name: word });

/** With its name for programs that manage it. */
function named(part: Part): Part {
  return { ...part, parts: { ...part.parts, alias } };
}

const disk: Part = {
  ...guestDisk,
  is: { ...guestDisk.is, type: /file/ },
  attributes: { ...guestDisk.attributes, ...each("snapshot rawio sgio", word) },
  parts: {
    ...guestDisk.parts,
    driver: {
      attributes: {
        ...guestDisk.parts?.["driver"] && (guestDisk.parts["driver"] as Part).attributes,
        ...each("name type cache error_policy rerror_policy io", word),
        ...each("ioeventfd copy_on_read discard_no_unref", choice),
        iothread: number,
      },
      parts: {
        metadata_cache: { parts: { max_size: { attributes: { unit: word }, text: number } } },
        iothreads: {
          parts: {
            iothread: { attributes: { id: number }, parts: { queue: plain({ id: number }) } },
          },
        },
      },
    },
    source: { is: { file: "ours" }, attributes: { index: number, startupPolicy: word } },
    backingStore: plain(),
    iotune: {
      parts: {
        ...Object.fromEntries(
          ["total", "read", "write"].flatMap((kind) =>
            [
              "bytes_sec",
              "iops_sec",
              "bytes_sec_max",
              "iops_sec_max",
              "bytes_sec_max_length",
              "iops_sec_max_length",
            ]
              .map((name) => [`${kind}_${name}`, { text: number }])
          ),
        ),
        size_iops_sec: { text: number },
        group_name: { text: word },
      },
    },
    alias,
  },
};

const ofNetwork = {
  mac: plain({ address: /[0-9a-fA-F:]{17}/, type: word, check: choice }),
  driver: {
    attributes: {
      ...virtio,
      ...each("name txmode", word),
      ...each("ioeventfd event_idx rss rss_hash_report", choice),
      ...each("queues rx_queue_size tx_queue_size", number),
    },
    parts: Object.fromEntries(
      ["host", "guest"].map((side) => [
        side,
        plain(each("csum gso tso4 tso6 ecn ufo mrg_rxbuf", choice)),
      ]),
    ),
  },
  vlan: {
    attributes: { trunk: choice },
    parts: { tag: plain({ id: number, nativeMode: word }) },
  },
  virtualport: {
    attributes: { type: word },
    parts: { parameters: plain(each("profileid typeid typeidversion managerid", text)) },
  },
  filterref: {
    is: { filter: text },
    parts: { parameter: plain({ name: word, value: /[0-9A-Za-z.:/_-]{1,64}/ }) },
  },
  bandwidth: {
    parts: each("inbound outbound", plain(each("average peak burst floor", number))),
  },
  link: plain({ state: word }),
  port: plain({ isolated: choice }),
  coalesce: { parts: { rx: { parts: { frames: plain({ max: number }) } } } },
  alias,
} satisfies Part["parts"];

/** On a network, a bridge, or a device that several guests can be on. */
const attached: Part = {
  ...guestInterface,
  is: { type: /(network|bridge|direct)/ },
  attributes: { trustGuestRxFilters: choice },
  needs: ["source"],
  parts: {
    ...guestInterface.parts,
    ...ofNetwork,
    source: {
      is: { mode: /(bridge|vepa|private)/ },
      attributes: { ...each("network portgroup", text), ...each("bridge dev", /[^/\s]{1,64}/) },
    },
  },
};

/** On nothing of the host's. */
const detached: Part = {
  ...guestInterface,
  is: { type: /(user|null|ethernet)/ },
  parts: { ...guestInterface.parts, ...ofNetwork },
};

/** The one that a running VM had been given. */
const terminal = /\/dev\/pts\/\d{1,6}/;

/** A serial port, a console or a channel that libvirt makes a terminal or a socket for. */
function characterDevice(part: Part): Part {
  return named({
    ...part,
    is: { type: /(pty|null|vc|spicevmc|spiceport|unix|qemu-vdagent)/ },
    attributes: { tty: terminal },
    parts: {
      ...part.parts,
      source: {
        attributes: { mode: word, channel: /[A-Za-z0-9_.-]{1,80}/, path: terminal },
        parts: { clipboard: plain({ copypaste: choice }), mouse: plain({ mode: word }) },
      },
    },
  });
}

const guest = guestDevices as Readonly<Record<string, Part>>;
const serial = characterDevice(guest["serial"] ?? {});
const channel = characterDevice(guest["channel"] ?? {});

const graphics: Part = {
  is: { type: /(vnc|spice|egl-headless)/ },
  attributes: {
    ...each("autoport multiUser", choice),
    ...each("port tlsPort websocket", /-1/),
    ...each("keymap connected sharePolicy defaultMode powerControl passwdValidTo", /[\w:.-]{1,40}/),
    passwd: text,
    listen: /[0-9A-Za-z.:_-]{1,64}/,
  },
  parts: {
    listen: {
      is: { type: /(address|network|none)/ },
      attributes: { address: /[0-9A-Za-z.:_-]{1,64}/, network: text },
    },
    channel: plain({ name: word, mode: word }),
    ...each("image jpeg zlib playback", plain({ compression: word })),
    streaming: plain({ mode: word }),
    clipboard: plain({ copypaste: choice }),
    mouse: plain({ mode: word }),
    filetransfer: plain({ enable: choice }),
    gl: plain({ enable: choice }),
  },
};

const { parts: videoParts, ...video } = guest["video"] ?? {};

/** Devices that a restored VM may have without a word: none of them holds what another VM could hold. */
export const restoredDevices: NonNullable<Part["parts"]> = {
  ...Object.fromEntries(Object.entries(guest).map(([name, part]) => [name, named(part)])),
  emulator: { text: "ours" },
  disk,
  interface: [attached, detached],
  serial,
  console: serial,
  parallel: serial,
  channel,
  graphics,
  video: named({
    ...video,
    parts: {
      ...videoParts,
      model: {
        ...videoParts?.["model"] as Part,
        parts: {
          ...(videoParts?.["model"] as Part).parts,
          acceleration: plain(each("accel2d accel3d", choice)),
        },
      },
    },
  }),
  audio: {
    is: { type: /(none|spice)/ },
    attributes: { id: number, timerPeriod: number },
    parts: Object.fromEntries(
      ["input", "output"].map((side) => [side, {
        attributes: {
          ...each("mixingEngine fixedSettings", choice),
          voices: number,
          bufferLength: number,
        },
        parts: { settings: plain({ frequency: number, channels: number, format: word }) },
      }]),
    ),
  },
  redirdev: named({ is: { bus: /usb/, type: /spicevmc/ }, parts: seat }),
  redirfilter: {
    parts: {
      usbdev: plain({
        ...each("class vendor product", index),
        version: /[\d.]{1,6}/,
        allow: choice,
      }),
    },
  },
  smartcard: named({ is: { mode: /passthrough/, type: /spicevmc/ }, parts: seat }),
  vsock: named({ is: { model: word }, parts: { cid: plain({ auto: choice }), ...seat } }),
  crypto: named({
    is: { model: word, type: word },
    needs: ["backend"],
    parts: { backend: { is: { model: /builtin/ }, attributes: { queues: number } }, ...seat },
  }),
};
