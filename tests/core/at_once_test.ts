import assert from "node:assert/strict";
import { atOnce } from "../../core/at_once.ts";

Deno.test("atOnce works on no more items than it may, and keeps their order", async () => {
  let now = 0;
  let most = 0;
  const results = await atOnce(3, [5, 1, 4, 2, 3, 0], async (item) => {
    most = Math.max(most, ++now);
    for (let turn = 0; turn < item; turn++) await Promise.resolve();
    now--;
    return item * 10;
  });
  assert.deepEqual(results, [50, 10, 40, 20, 30, 0]);
  assert.equal(most, 3);
});

Deno.test("atOnce waits for what it began before it fails", async () => {
  const ended: number[] = [];
  const work = async (item: number) => {
    if (item === 1) throw new Error("one");
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    ended.push(item);
  };
  await assert.rejects(atOnce(2, [0, 1, 2], work), { message: "one" });
  assert.deepEqual(ended, [0, 2]);
});
