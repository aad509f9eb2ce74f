/**
 * Finds the candidate that `word` is most likely a misspelling of.
 *
 * Compares without regard to case by the edit distance in which two swapped neighbours count once
 * (optimal string alignment). A candidate that differs in more than a third of its characters is no
 * misspelling; of equally close ones the first wins.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = letters(word);
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const offered = letters(candidate);
    const limit = Math.max(1, Math.floor(Math.max(wanted.length, offered.length) / 3));
    if (Math.abs(wanted.length - offered.length) > limit) continue;
    const distance = editDistance(wanted, offered);
    if (distance > limit || distance >= bestDistance) continue;
    // With every character replaced, a short word is another word: "vm" is not "db".
    if (distance >= Math.min(wanted.length, offered.length)) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

function letters(word: string): readonly string[] {
  return [...word.toLowerCase()];
}

function editDistance(from: readonly string[], to: readonly string[]): number {
  let beforePrevious: readonly number[] = [];
  let previous: readonly number[] = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let distance = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      if (swapped) distance = Math.min(distance, at(beforePrevious, column - 2) + 1);
      current.push(distance);
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
