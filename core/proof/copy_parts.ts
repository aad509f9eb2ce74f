import { guestDevices, guestDisk, guestInterface } from "../restore/definition/guest_devices.ts";
import { guestBoot, guestSystem } from "../restore/definition/guest_system.ts";
import type { Part } from "../restore/definition/part.ts";
import { choice, each, word } from "../restore/definition/values.ts";

const format = /(raw|qcow2)/;

/**
 * What a throw-away copy takes from the definition of its original: nothing of it names a file, a device, a
 * network or a number of the host. Firmware and boot files are "ours": known to this host, or staged.
 */
export const copyParts: Part = {
  is: { type: /(kvm|qemu)/ },
  needs: ["os"],
  parts: {
    ...guestSystem,
    os: {
      attributes: { firmware: /(efi|bios)/ },
      parts: {
        ...guestBoot,
        loader: {
          attributes: { ...each("readonly secure stateless", choice), type: word, format },
          text: "ours",
        },
        nvram: {
          attributes: { template: "ours", templateFormat: format, format, type: /file/ },
          text: /[^\0]*/,
        },
        ...each("kernel initrd dtb", { text: "ours" } satisfies Part),
      },
    },
    devices: {
      parts: {
        ...guestDevices,
        disk: guestDisk,
        interface: guestInterface,
        graphics: { is: { type: /(vnc|spice)/ } },
      },
    },
  },
};
