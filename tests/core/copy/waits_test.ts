import assert from "node:assert/strict";
import { heldBack, showHeldBack } from "../../../core/copy/waits.ts";

Deno.test("heldBack names what a copy waited for most", () => {
  const none = { totalMs: 1000, limitMs: 0, sourceMs: 0, sinkMs: 0 };
  for (
    const [waits, busy, expected] of [
      [{ limitMs: 900 }, { digestMs: 10, storeMs: 20 }, { by: "limit", share: 0.9 }],
      [{ sourceMs: 700 }, { digestMs: 10, storeMs: 20 }, { by: "source", share: 0.7 }],
      [{ sinkMs: 800 }, { digestMs: 100, storeMs: 900 }, { by: "share", share: 0.8 }],
      [{ sinkMs: 800 }, { digestMs: 900, storeMs: 100 }, { by: "cpu", share: 1 }],
      [{}, { digestMs: 1, storeMs: 1 }, { by: "cpu", share: 1 }],
      [{ totalMs: 0 }, { digestMs: 0, storeMs: 0 }, { by: "limit", share: 0 }],
    ] as const
  ) {
    assert.deepEqual(heldBack({ ...none, ...waits }, busy), expected);
  }
});

Deno.test("showHeldBack says it in words", () => {
  assert.equal(showHeldBack({ by: "share", share: 0.816 }), "held back by the share (82 %)");
});
