import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { renderTemplate } from "../../../core/render/template.ts";

const upper = (text: string) => text.toUpperCase();

Deno.test("renderTemplate escapes values, leaves raw text and white space alone", () => {
  const text = renderTemplate("t", "a <%= it.x %>\n  <%~ it.y %>\n\n", { x: "b", y: "c" }, upper);
  assert.equal(text, "a B\n  c\n\n");
});

Deno.test("renderTemplate prints numbers", () => {
  assert.equal(renderTemplate("t", "<%= it.x %>", { x: 9101 }, upper), "9101");
});

Deno.test("renderTemplate refuses a name that has no value", () => {
  for (const template of ["<%= it.z %>", "<%~ it.z %>", "<%= it.toString %>", "<%= z %>"]) {
    assert.throws(
      () => renderTemplate("t", template, { x: "b" }, upper),
      (error) => error instanceof VmbError && error.code === "render.template",
      template,
    );
  }
});

Deno.test("renderTemplate refuses to print what is neither text nor a number", () => {
  for (const x of [undefined, null, {}, [], true]) {
    assert.throws(() => renderTemplate("t", "<%= it.x %>", { x }, upper), VmbError);
  }
});

Deno.test("renderTemplate passes on the error of the escape", () => {
  const refuse = () => {
    throw new VmbError("No", { code: "no" });
  };
  assert.throws(() => renderTemplate("t", "<%= it.x %>", { x: "a" }, refuse), { code: "no" });
});
