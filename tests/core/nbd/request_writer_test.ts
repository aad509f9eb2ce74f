import assert from "node:assert/strict";
import fc from "fast-check";
import { RequestWriter } from "../../../core/nbd/request_writer.ts";

Deno.test("RequestWriter writes messages whole and in order to a socket that takes few bytes", async () => {
  const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(messages, fc.integer({ min: 1, max: 50 }), async (sent, most) => {
      const written: number[] = [];
      let busy = false;
      const writer = new RequestWriter({
        async write(bytes) {
          assert.equal(busy, false);
          busy = true;
          await Promise.resolve();
          busy = false;
          const taken = bytes.subarray(0, most);
          written.push(...taken);
          return taken.length;
        },
      }, () => assert.fail("no write failed"));
      for (const [index, message] of sent.entries()) {
        writer.send(message);
        if (index % 3 === 0) await Promise.resolve();
      }
      await writer.flush();
      assert.deepEqual(written, sent.flatMap((message) => [...message]));
    }),
  );
});

Deno.test("RequestWriter reports a broken socket once and writes nothing more", async () => {
  const failures: unknown[] = [];
  let writes = 0;
  const writer = new RequestWriter({
    write() {
      writes++;
      return Promise.reject(new Error("broken pipe"));
    },
  }, (cause) => failures.push(cause));
  writer.send(new Uint8Array(1));
  await writer.flush();
  writer.send(new Uint8Array(1));
  await writer.flush();
  assert.equal(failures.length, 1);
  assert.equal(writes, 1);
});
