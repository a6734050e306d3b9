import assert from "node:assert/strict";
import { test } from "node:test";
import type { MethodDefinition } from "@grpc/proto-loader";
import { joining } from "../../../src/grpc/encode.js";
import { apiVersions, loadProto, serviceDefinition, serviceNames } from "../../../src/grpc/proto.js";
import { chance } from "../../support/random.js";
import { readTables, type Row } from "../../support/table-client.js";

type Method = MethodDefinition<object, object>;
const proto = loadProto();
const plain = proto["runtime.v1.RuntimeService"] as unknown as Record<string, Method>;

function method(name: string): Method {
  const found = plain[name];
  assert.ok(found);
  return found;
}

const container = (number: number) => ({
  id: `c${number}`,
  metadata: { name: `app-${number}`, attempt: number },
  labels: { app: "web", number: String(number) },
  state: "CONTAINER_RUNNING",
  createdAt: "1714557600000000001",
});

test("a list of frozen items is the same message, and each item is encoded once", () => {
  const { responseSerialize, responseDeserialize } = method("ListContainers");
  let encoded = 0;
  const serialize = joining((reply) => {
    encoded++;
    return responseSerialize(reply);
  });
  const items = Array.from({ length: 5 }, (_, index) => Object.freeze(container(index)));
  for (let round = 0; round < 3; round++) {
    const bytes = serialize({ containers: items });
    assert.deepEqual(
      responseDeserialize(bytes),
      responseDeserialize(responseSerialize({ containers: items })),
    );
  }
  assert.equal(encoded, 5);
  serialize({ containers: [...items.slice(1), Object.freeze(container(9))] });
  assert.equal(encoded, 6);
});

test("an item that may still change is encoded each time", () => {
  const { responseSerialize, responseDeserialize } = method("ListContainers");
  const serialize = joining(responseSerialize);
  const item = container(1);
  serialize({ containers: [item] });
  item.id = "other";
  assert.deepEqual(
    responseDeserialize(serialize({ containers: [item] })),
    responseDeserialize(
      responseSerialize({ containers: [container(1)].map((one) => ({ ...one, id: "other" })) }),
    ),
  );
});

test("one frozen item among others does not change their order", () => {
  const { responseSerialize, responseDeserialize } = method("ListContainers");
  const containers = [container(1), Object.freeze(container(2)), container(3)];
  const bytes = joining(responseSerialize)({ containers });
  const reply = responseDeserialize(bytes) as { containers: { id: string }[] };
  assert.deepEqual(
    reply.containers.map(({ id }) => id),
    ["c1", "c2", "c3"],
  );
});

test("the same item in two fields of two messages is two things", () => {
  const status = Object.freeze({ id: "c1", exitCode: 3 });
  const one = method("ContainerStatus");
  const pod = method("PodSandboxStatus");
  const serializeOne = joining(one.responseSerialize);
  const serializePod = joining(pod.responseSerialize);
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(serializeOne({ status }), one.responseSerialize({ status }));
    const podReply = { containersStatuses: [status] };
    assert.deepEqual(serializePod(podReply), pod.responseSerialize(podReply));
  }
});

/** A message of random fields, some of them frozen; strings and numbers of any kind. */
function randomMessage(
  rows: readonly Row[],
  name: string,
  random: (below: number) => number,
  depth = 0,
): object {
  const fields = rows.filter(({ kind, owner }) => kind === "field" && owner === name);
  const enums = new Set(rows.filter(({ kind }) => kind === "value").map(({ owner }) => owner));
  const value = (type: string): unknown => {
    if (type === "string") return `s${random(1000)}`;
    if (type === "bool") return random(2) === 1;
    if (type === "bytes") return Buffer.from([random(256)]);
    if (type === "double") return random(1000) / 8;
    if (/^u?int64$/.test(type)) return String(random(2 ** 31));
    if (/^u?int32$/.test(type) || enums.has(type)) return random(2);
    return depth > 3 ? {} : randomMessage(rows, type, random, depth + 1);
  };
  const entries = fields.flatMap(({ name: field, type }): [string, unknown][] => {
    if (random(3) === 0) return [];
    const key = field.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const repeated = /^repeated (.+)$/.exec(type)?.[1];
    const map = /^map</.test(type);
    if (map) return [[key, { [`k${random(9)}`]: `v${random(9)}` }]];
    if (repeated !== undefined) return [[key, Array.from({ length: random(4) }, () => value(repeated))]];
    return [[key, value(type)]];
  });
  const message = Object.fromEntries(entries);
  return random(2) === 0 ? Object.freeze(message) : message;
}

test("whatever a reply has in it and whatever of it is frozen, its bytes mean the same", () => {
  const rows = readTables("v1");
  const random = chance(7);
  let compared = 0;
  for (const name of serviceNames) {
    const own = serviceDefinition(proto, "v1", name) as unknown as Record<string, Method>;
    const loaded = proto[`runtime.v1.${name}`] as unknown as Record<string, Method>;
    for (const { name: rpc, note } of rows.filter((row) => row.kind === "rpc" && row.owner === name)) {
      const ours: Method | undefined = own[rpc];
      const theirs: Method | undefined = loaded[rpc];
      assert.ok(ours && theirs, rpc);
      for (let round = 0; round < 40; round++) {
        const reply = randomMessage(rows, note.replace("stream ", ""), random);
        // The second time from what was kept.
        for (let time = 0; time < 2; time++) {
          const mine: Buffer = ours.responseSerialize(reply);
          const wanted: Buffer = theirs.responseSerialize(reply);
          assert.equal(mine.length, wanted.length, rpc);
          assert.deepEqual(theirs.responseDeserialize(mine), theirs.responseDeserialize(wanted), rpc);
          compared++;
        }
      }
    }
  }
  assert.ok(compared > 3000, `${compared} replies`);
});

test("both versions share it", () => {
  for (const version of apiVersions) {
    const { ListContainers } = serviceDefinition(proto, version, "RuntimeService");
    assert.ok(ListContainers);
    const item = Object.freeze(container(1));
    assert.deepEqual(
      ListContainers.responseSerialize({ containers: [item] }),
      method("ListContainers").responseSerialize({ containers: [item] }),
    );
  }
});
