/** The whole program on a temporary socket, with the fake engine below it and real clients above. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import type { MethodDefinition } from "@grpc/proto-loader";
import { startApp, type App } from "../../src/app.js";
import type { Config } from "../../src/config.js";
import type { ImageServiceDefinition } from "../../src/generated/runtime/v1/ImageService.js";
import type { RuntimeServiceDefinition } from "../../src/generated/runtime/v1/RuntimeService.js";
import { fieldsOf, type Log } from "../../src/log.js";
import { serverConfig } from "./builders.js";
import { FakeEngine } from "./fake-engine.js";
import { readTables, tableClient, tableCodec, type Service, type Version } from "./table-client.js";

export const versions: Version[] = ["v1", "v1alpha2"];
export const sandboxImage = "registry.k8s.io/pause:3.10";
export const appImage = "busybox:1.36";

export interface LogLine {
  level: string;
  event: string;
  fields: Record<string, unknown>;
}

/** Keeps what is logged, oldest first. */
export class LogBook {
  readonly lines: LogLine[] = [];
  #waiting: { event: string; resolve: (line: LogLine) => void }[] = [];

  /** The next line of this event. */
  next(event: string): Promise<LogLine> {
    return new Promise((resolve) => this.#waiting.push({ event, resolve }));
  }

  log(base: LogLine["fields"] = {}): Log {
    const at =
      (level: string) =>
      (...[event, fields = {}]: Parameters<Log["info"]>) => {
        const line = { level, event, fields: { ...base, ...fieldsOf(fields) } };
        this.lines.push(line);
        for (const { resolve } of this.#waiting.filter((wait) => wait.event === event)) resolve(line);
        this.#waiting = this.#waiting.filter((wait) => wait.event !== event);
      };
    return {
      error: at("error"),
      warn: at("warn"),
      info: at("info"),
      debug: at("debug"),
      child: (fields) => this.log({ ...base, ...fields }),
    };
  }
}

type Definitions = Named<RuntimeServiceDefinition> & Named<ImageServiceDefinition>;
type Named<D> = {
  [Key in keyof D as string extends Key ? never : number extends Key ? never : Key]: D[Key];
};
export type Method = keyof Definitions;

/** A reply with the names that it has in the tables. */
type Reply<M extends Method> =
  Definitions[M] extends MethodDefinition<infer _In, infer _Out, infer _Request, infer Output>
    ? Snake<Output>
    : never;
type Snake<T> = T extends Uint8Array
  ? T
  : T extends (infer Item)[]
    ? Snake<Item>[]
    : T extends object
      ? { [Key in keyof T as Key extends string ? SnakeName<Key> : Key]: Snake<T[Key]> }
      : T;
type SnakeName<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeName<Rest>}`
  : Name;

/** A call under way, which the client can give up. */
export interface Call<M extends Method> {
  reply: Promise<Reply<M>>;
  cancel(): void;
}

export interface Rpc {
  <M extends Method>(method: M, request?: object): Promise<Reply<M>>;
  start<M extends Method>(method: M, request?: object): Call<M>;
  /** A call that the server answers with many messages; cancelled when the client stops reading. */
  stream<M extends Method>(method: M, request?: object): Streamed<Reply<M>>;
}

export type Streamed<Message> = AsyncIterable<Message> & {
  cancel(): void;
  on(event: "error", listener: (error: ServiceError) => void): unknown;
};

export interface TestServer {
  app: App;
  engine: FakeEngine;
  config: Config;
  /** What the program has logged. */
  book: LogBook;
  /** For files of the test's own; removed at the end. */
  directory: string;
  rpc: (version: Version) => Rpc;
}

/** The service that a method belongs to. */
export function serviceOf(version: Version, method: string): Service {
  const row = readTables(version).find(({ kind, name }) => kind === "rpc" && name === method);
  if (!row) throw new Error(`${version} has no RPC ${method}`);
  return row.owner as Service;
}

const makeDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), "dockershim-"));

/** Something whose end is waited for: a test's context, or the file's own hook. */
interface Ending {
  after(action: () => Promise<void>): void;
}

/**
 * One server for many tests, because starting it takes longer than most of them do. `fresh` makes its engine
 * what it was at the start, behind the server's back as other users of Docker would.
 */
export async function sharedServer(): Promise<{ fresh(): TestServer }> {
  const server = await startServer({ after });
  const clients = new Map<Version, Rpc>();
  const rpc = (version: Version): Rpc => {
    const client = clients.get(version) ?? server.rpc(version);
    clients.set(version, client);
    return client;
  };
  return {
    fresh: () => {
      server.engine.reset();
      furnish(server.engine);
      server.book.lines.length = 0;
      return { ...server, rpc };
    },
  };
}

function furnish(engine: FakeEngine): void {
  engine.images.add(sandboxImage);
  engine.images.publish(appImage);
}

/** The engine has the sandbox's image and can pull `appImage`. */
export async function startServer(
  t: Ending,
  overrides: Partial<Config> = {},
  prepare: (engine: FakeEngine) => void = () => undefined,
): Promise<TestServer> {
  const directory = await makeDirectory();
  const engine = new FakeEngine(join(directory, "docker"));
  furnish(engine);
  prepare(engine);
  const config: Config = {
    ...serverConfig(directory),
    sandboxImage,
    logLevel: "debug",
    ...overrides,
  };
  const book = new LogBook();
  const app = await startApp(config, book.log(), engine);
  const clients: { close(): void }[] = [];
  t.after(async () => {
    for (const client of clients) client.close();
    await app.close();
    await rm(directory, { recursive: true, force: true });
  });
  const rpc = (version: Version): Rpc => {
    const client = connect(version, `unix:${config.socketPath}`);
    clients.push(client);
    return client.rpc;
  };
  return { app, engine, config, book, directory, rpc };
}

function connect(version: Version, address: string) {
  const unary = tableClient(version, address);
  const raw = new Client(address, credentials.createInsecure());
  const codec = tableCodec(version);
  const rpc = (<M extends Method>(method: M, request: object = {}) =>
    unary.call(serviceOf(version, method), method, request) as Promise<Reply<M>>) as Rpc;
  rpc.stream = <M extends Method>(method: M, request: object = {}) =>
    unary.stream(serviceOf(version, method), method, request) as Streamed<Reply<M>>;
  rpc.start = <M extends Method>(method: M, request: object = {}): Call<M> => {
    let cancel = (): void => undefined;
    const reply = new Promise<Reply<M>>((resolve, reject) => {
      const { type, note } = readTables(version).find(
        ({ kind, name }) => kind === "rpc" && name === method,
      ) ?? { type: "", note: "" };
      const call = raw.makeUnaryRequest(
        `/runtime.${version}.${serviceOf(version, method)}/${method}`,
        (value: object) => codec.encode(type, value),
        (bytes) => codec.decode(note, bytes) as Reply<M>,
        request,
        (error: ServiceError | null, value) => {
          if (error) reject(error);
          else resolve(value as Reply<M>);
        },
      );
      cancel = () => call.cancel();
    });
    return { reply, cancel: () => cancel() };
  };
  return {
    rpc,
    close: () => {
      unary.close();
      raw.close();
    },
  };
}

/** An ordinary pod of a kubelet's. */
export const podConfig = (overrides: object = {}) => ({
  metadata: { name: "web-0", uid: "7c1e", namespace: "shop", attempt: 0 },
  hostname: "web-0",
  ...overrides,
});

/** An ordinary container of that pod. */
export const containerConfig = (overrides: object = {}) => ({
  metadata: { name: "app", attempt: 0 },
  image: { image: appImage },
  command: ["/bin/app"],
  ...overrides,
});

/** Runs a pod; returns its id. */
export const runPod = async (rpc: Rpc, overrides: object = {}): Promise<string> =>
  (await rpc("RunPodSandbox", { config: podConfig(overrides) })).pod_sandbox_id;

/** Creates a container in it, its image pulled before; returns its id. */
export async function createContainer(rpc: Rpc, pod: string, overrides: object = {}): Promise<string> {
  await rpc("PullImage", { image: { image: appImage } });
  const request = {
    pod_sandbox_id: pod,
    config: containerConfig(overrides),
    sandbox_config: podConfig(),
  };
  return (await rpc("CreateContainer", request)).container_id;
}

/** The same, and starts it. */
export async function runContainer(rpc: Rpc, pod: string, overrides: object = {}): Promise<string> {
  const id = await createContainer(rpc, pod, overrides);
  await rpc("StartContainer", { container_id: id });
  return id;
}
