import assert from "node:assert/strict";
import { bootedSign, deadSign } from "../../../core/proof/console_signs.ts";

Deno.test("bootedSign knows a login prompt, systemd's targets, and the patterns of the VM", () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ["Debian GNU/Linux 12 gw ttyS0\r\n\r\ngw login: ", "gw login:"],
    ["[  OK  ] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.\r\n", undefined],
    ["systemd[1]: Startup finished in 2.1s (kernel) + 5s (userspace).", "Startup finished in"],
    ["last login: yesterday", undefined],
    ["Booting...\nReady: 3\n", "Ready: 3"],
    ["", undefined],
  ];
  for (const [text, wanted] of table) {
    const sign = bootedSign(text, ["^Ready: \\d$"]);
    if (text.includes("Multi-User")) assert.match(sign ?? "", /Multi-User System/);
    else assert.equal(sign, wanted);
  }
});

Deno.test("deadSign knows a system that will not come up", () => {
  const table: readonly (readonly [string, RegExp | undefined])[] = [
    ["[1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n", /VFS: Unable/],
    [
      "Booting from Hard Disk...\nBoot failed: not a bootable disk\n\nNo bootable device.",
      /bootable/,
    ],
    ["error: no such partition.\nEntering rescue mode...\ngrub rescue> ", /grub rescue>/],
    ["You are in emergency mode. After logging in, type", /emergency/],
    ["gw login: ", undefined],
  ];
  for (const [text, wanted] of table) {
    const sign = deadSign(text);
    if (wanted === undefined) assert.equal(sign, undefined);
    else assert.match(sign ?? "", wanted);
  }
});
