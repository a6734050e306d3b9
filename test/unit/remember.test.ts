import assert from "node:assert/strict";
import { test } from "node:test";
import { remembering } from "../../src/remember.js";

test("what is made of a value is made once, and frozen", () => {
  let made = 0;
  const double = remembering(({ value }: { value: number }) => ({ value: 2 * value, made: ++made }));
  const [one, other] = [{ value: 1 }, { value: 1 }];
  assert.equal(double(one), double(one));
  assert.deepEqual(double(other), { value: 2, made: 2 });
  assert.ok(Object.isFrozen(double(one)));
});

test("it is made anew when another argument changes, and only then", () => {
  let made = 0;
  const join = remembering((key: { name: string }, image: object | undefined, suffix: string) => ({
    text: key.name + suffix,
    image,
    made: ++made,
  }));
  const [key, image] = [{ name: "a" }, { id: "i" }];
  const first = join(key, image, "x");
  assert.equal(join(key, image, "x"), first);
  assert.deepEqual(join(key, image, "y"), { text: "ay", image, made: 2 });
  assert.deepEqual(join(key, { id: "i" }, "y").made, 3);
  assert.deepEqual(join(key, undefined, "y"), { text: "ay", image: undefined, made: 4 });
});
