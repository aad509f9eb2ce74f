import assert from "node:assert/strict";
import type { Virsh } from "../../../../core/libvirt/virsh.ts";
import { hostFirmware } from "../../../../core/restore/definition/host_firmware.ts";
import type { Files } from "../../../../core/sys/files.ts";

const descriptor = {
  description: "UEFI",
  mapping: {
    executable: { filename: "/usr/share/x/CODE.fd", format: "raw" },
    "nvram-template": { filename: "/usr/share/x/VARS.fd", format: "raw" },
  },
  tags: [{ filename: "/not/firmware" }],
};

Deno.test("hostFirmware knows what descriptors, packages and libvirt name, and nothing else", async () => {
  const folders: Record<string, readonly string[]> = {
    "/usr/share/qemu/firmware": ["60-x.json", "README"],
    "/etc/qemu/firmware": ["own.json", "broken.json"],
    "/usr/share/OVMF": ["OVMF_CODE.fd", "OVMF_VARS.fd", "PkKek-1-snakeoil.key"],
  };
  const texts: Record<string, string> = {
    "/usr/share/qemu/firmware/60-x.json": JSON.stringify(descriptor),
    "/etc/qemu/firmware/own.json": JSON.stringify({ mapping: { filename: "/opt/own.fd" } }),
    "/etc/qemu/firmware/broken.json": "{",
  };
  const files = {
    inspectTarget: (path: string) => Promise.resolve(folders[path] && {}),
    list: (path: string) => Promise.resolve(folders[path] ?? []),
    readText: (path: string) => Promise.resolve(texts[path] ?? ""),
  } as unknown as Files;
  const offered = "<domainCapabilities><os><loader><value>/usr/share/y.fd</value></loader></os>" +
    "</domainCapabilities>";
  for (const code of [0, 1]) {
    const virsh = {
      attempt: () => Promise.resolve({ code, stdout: code === 0 ? offered : "", stderr: "" }),
    } as unknown as Virsh;
    assert.deepEqual([...await hostFirmware({ files }, virsh)].sort(), [
      ...["/opt/own.fd", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"],
      ...["/usr/share/x/CODE.fd", "/usr/share/x/VARS.fd"],
      ...code === 0 ? ["/usr/share/y.fd"] : [],
    ]);
  }
});
