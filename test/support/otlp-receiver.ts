/** A collector of traces as a program that is to send them sees it: OTLP over HTTP. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { deferred } from "../../src/waiting.js";

interface Value {
  stringValue?: string;
  intValue?: number | string;
}
type Pairs = { key: string; value: Value }[];

export interface ReceivedSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  attributes: Record<string, string>;
  /** 2 is an error. */
  status: number;
}

export interface Received {
  path: string;
  type: string;
  body: Buffer;
}

interface Export {
  resourceSpans: {
    resource: { attributes: Pairs };
    scopeSpans: {
      spans: (Omit<ReceivedSpan, "attributes" | "status"> & {
        attributes: Pairs;
        status: { code?: number };
      })[];
    }[];
  }[];
}

const toRecord = (pairs: Pairs): Record<string, string> =>
  Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      String(value.stringValue ?? value.intValue ?? JSON.stringify(value)),
    ]),
  );

export async function startReceiver(t: TestContext) {
  const received: Received[] = [];
  let heard = deferred();
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      received.push({ path: request.url ?? "", type: request.headers["content-type"] ?? "", body });
      response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
      heard.resolve();
      heard = deferred();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const exports = (): Export["resourceSpans"] =>
    received.flatMap(({ body }) => (JSON.parse(body.toString()) as Export).resourceSpans);
  /** What came as JSON. */
  const spans = (): ReceivedSpan[] =>
    exports()
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
      .map(({ attributes, status, ...span }) => ({
        ...span,
        attributes: toRecord(attributes),
        status: status.code ?? 0,
      }));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    spans,
    resource: () => toRecord(exports()[0]?.resource.attributes ?? []),
    /** Resolves with the span of that name when it has come. */
    span: async (name: string): Promise<ReceivedSpan> => {
      for (;;) {
        const found = spans().find((span) => span.name === name);
        if (found) return found;
        await heard.promise;
      }
    },
  };
}

/** Sets environment variables for one test, as a service manager would. */
export function withEnvironment(t: TestContext, variables: Record<string, string>): void {
  Object.assign(process.env, variables);
  t.after(() => {
    for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name);
  });
}
