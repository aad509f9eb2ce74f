export interface GuestDisk {
  readonly target: string;
  readonly path: string;
  readonly format: "qcow2" | "raw";
  readonly type: "block" | "file";
  readonly role: "cdrom" | "data" | "readonly" | "shareable";
}

export interface GuestXml {
  readonly name: string;
  readonly type: "kvm" | "qemu";
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly initramfs: string;
  /** What guest_init.sh is told: `vmb.workload=records`. */
  readonly words: readonly string[];
  readonly disks: readonly GuestDisk[];
  readonly consoleLog: string;
  readonly agent: boolean;
  /** libvirt networks that it has an interface on. */
  readonly networks?: readonly string[] | undefined;
  /** A screen, and VNC for it on a port that libvirt chooses. */
  readonly screen?: boolean | undefined;
  /** An iothread serves the data disks: each virtio-blk disk itself, or the one virtio-scsi controller. */
  readonly iothread?: "virtio-blk" | "virtio-scsi" | undefined;
  /** File for the UEFI variables; such a guest starts by OVMF instead of SeaBIOS. */
  readonly nvram?: string | undefined;
}

/**
 * Saves half a second of an emulated boot (no self-tests of the crypto code, no patching for a single
 * processor) and keeps page tables at the four levels that are cheaper to emulate. No test whether the
 * timer interrupts in time: the kernel panics where an emulator is late on a busy machine.
 */
const bootWords = [
  ...["console=ttyS0", "quiet", "panic=1"],
  ...["cryptomgr.notests", "noreplace-smp", "no5lvl", "nokaslr", "no_timer_check"],
];

/** The domain of a lab guest, booted straight into its kernel; no network and no screen unless wanted. */
export function writeGuestXml(guest: GuestXml): string {
  return `<domain type='${guest.type}'>
  <name>${escapeXml(guest.name)}</name>
  <memory unit='MiB'>${guest.memoryMiB}</memory>
  <vcpu>1</vcpu>${guest.iothread === undefined ? "" : "\n  <iothreads>1</iothreads>"}
  <os${guest.nvram === undefined ? "" : " firmware='efi'"}>
    <type arch='x86_64' machine='q35'>hvm</type>${firmware(guest.nvram)}
    <kernel>${escapeXml(guest.kernel)}</kernel>
    <initrd>${escapeXml(guest.initramfs)}</initrd>
    <cmdline>${escapeXml([...bootWords, ...guest.words].join(" "))}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <clock offset='utc'/>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
${guest.disks.map((each) => disk(each, guest.iothread)).join("\n")}
${guest.iothread === "virtio-scsi" ? scsiController : ""}\
${(guest.networks ?? []).map(nic).join("")}${guest.screen ? screen : ""}\
    <controller type='usb' model='none'/>
    <serial type='file'>
      <source path='${escapeXml(guest.consoleLog)}' append='on'/>
    </serial>${guest.agent ? agentChannel : ""}
    <memballoon model='none'/>
  </devices>
</domain>
`;
}

const agentChannel = `
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>`;

const scsiController = `    <controller type='scsi' index='0' model='virtio-scsi'>
      <driver iothread='1'/>
    </controller>
`;

const screen = `    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vga'/></video>
`;

function nic(network: string): string {
  return `    <interface type='network'>
      <source network='${escapeXml(network)}'/>
      <model type='virtio'/>
    </interface>
`;
}

/** The kernel of a lab guest carries no signature that Secure Boot would accept. */
function firmware(nvram: string | undefined): string {
  if (nvram === undefined) return "";
  return `
    <firmware><feature enabled='no' name='secure-boot'/></firmware>
    <nvram>${escapeXml(nvram)}</nvram>`;
}

function disk(
  { target, path, format, type, role }: GuestDisk,
  iothread: GuestXml["iothread"],
): string {
  const device = role === "cdrom" ? "cdrom" : "disk";
  const bus = role === "cdrom" ? "sata" : iothread === "virtio-scsi" ? "scsi" : "virtio";
  const served = bus === "virtio" && iothread !== undefined ? " iothread='1'" : "";
  const attribute = type === "block" ? "dev" : "file";
  const mark = role === "readonly" || role === "cdrom"
    ? "<readonly/>"
    : role === "shareable"
    ? "<shareable/>"
    : "";
  return `    <disk type='${type}' device='${device}'>
      <driver name='qemu' type='${format}'${served}${role === "shareable" ? " cache='none'" : ""}/>
      <source ${attribute}='${escapeXml(path)}'/>
      <target dev='${target}' bus='${bus}'/>${mark}
      <serial>${target}</serial>
    </disk>`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("'", "&apos;");
}
