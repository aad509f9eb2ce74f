/**
 * Bytes of a number with a unit, as libvirt's virScaleInteger reads it: without regard to case, `KB` is 1000
 * and both `k` and `KiB` are 1024.
 *
 * @returns `undefined` for what libvirt would refuse
 */
export function scaledBytes(number: string, unit = "KiB"): number | undefined {
  if (!/^\s*\d{1,15}\s*$/.test(number)) return undefined;
  const [, letter = "", i, b] = /^([kmgtpe]?)(i?)(b|bytes?)?$/i.exec(unit) ?? [undefined, "?"];
  const power = ["", "k", "m", "g", "t", "p", "e"].indexOf(letter.toLowerCase());
  if (power < 0 || (power === 0 && (i || !b)) || (power > 0 && (b?.length ?? 0) > 1)) {
    return undefined;
  }
  if (i && !b) return undefined;
  return Number(number) * (b && !i ? 1000 : 1024) ** power;
}
