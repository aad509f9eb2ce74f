/**
 * The moments at which the clocks of a zone show a time: one; none where they skip it, and two where they repeat
 * it.
 */
export function localMoments(
  local: Temporal.PlainDateTime,
  timeZone: string,
): readonly Date[] {
  const [earlier, later] = (["earlier", "later"] as const).map((disambiguation) =>
    local.toZonedDateTime(timeZone, { disambiguation })
  );
  if (earlier === undefined || later === undefined) return [];
  if (!earlier.toPlainDateTime().equals(local)) return [];
  const moments = earlier.equals(later) ? [earlier] : [earlier, later];
  return moments.map(({ epochMilliseconds }) => new Date(epochMilliseconds));
}
