/** Something of the host that one of QEMU's own options names. */
export interface ArgumentData {
  readonly kind: string;
  readonly source: string;
  readonly use: "boot" | "data";
}

/** Options whose file QEMU reads once, at its start. */
const bootOptions = new Set(["-fw_cfg", "-acpitable", "-smbios"]);

/** Options that name a file or an address which is no data of the guest's. */
const harmlessOptions = new Set([
  ...["-chardev", "-serial", "-parallel", "-monitor", "-mon", "-qmp", "-qmp-pretty", "-debugcon"],
  ...["-D", "-d", "-trace", "-pidfile", "-runas", "-L", "-display", "-vnc", "-spice", "-netdev"],
  ...["-nic", "-net", "-audiodev", "-msg", "-name", "-sandbox", "-seed", "-gdb", "-incoming"],
]);

/** Options that are data of the guest's whatever their value looks like. */
const dataOptions = new Set([
  ...["-drive", "-blockdev", "-hda", "-hdb", "-hdc", "-hdd", "-cdrom", "-fda", "-fdb", "-sd"],
  ...["-mtdblock", "-pflash", "-virtfs", "-fsdev", "-mem-path", "-kernel", "-initrd", "-dtb"],
  ...["-bios", "-option-rom"],
]);

/**
 * What of the host a domain uses by QEMU's own options, which libvirt hands on unread (`<qemu:commandline>`). An option
 * that is not known counts as soon as it names a path.
 */
export function qemuArguments(words: readonly string[]): readonly ArgumentData[] {
  return words.flatMap((word, index): readonly ArgumentData[] => {
    if (!word.startsWith("-")) return [];
    const next = words[index + 1];
    const value = next === undefined || next.startsWith("-") ? "" : next;
    const option = word.replace(/^--/, "-");
    const kind = `${option} of qemu:commandline`;
    const file = /(?:^|,)file=((?:[^,]|,,)*)/.exec(value)?.[1]?.replaceAll(",,", ",");
    if (bootOptions.has(option)) {
      return file?.startsWith("/") ? [{ kind, source: file, use: "boot" }] : [];
    }
    if (harmlessOptions.has(option)) return [];
    if (dataOptions.has(option)) return [{ kind, source: value || "?", use: "data" }];
    const isVhost = option === "-device" && /^vhost-user-(blk|scsi|fs)/.test(value);
    const namesPath = /(?:^|[=,:"])\//.test(value);
    return isVhost || namesPath ? [{ kind, source: value, use: "data" }] : [];
  });
}
