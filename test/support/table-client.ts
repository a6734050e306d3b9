/**
 * A CRI client made from test/grpc/tables, not from proto/: it cannot share a mistake with the server.
 * Names are those of the tables (pod_sandbox_id), 64-bit numbers are text, enums are names, bytes are Buffers.
 */
import { readFileSync } from "node:fs";
import { Client, credentials, type ClientReadableStream } from "@grpc/grpc-js";
import protobuf from "protobufjs";

export type Version = "v1" | "v1alpha2";
export type Service = "RuntimeService" | "ImageService";

/** One fact. What a column means depends on the kind; the first line of each table says so. */
export interface Row {
  kind: string;
  owner: string;
  number: string;
  name: string;
  type: string;
  note: string;
}

/** Everything a version consists of: its own table and the additions. */
export const readTables = (version: Version): Row[] => [...readTable(version), ...readTable("extra")];

function readTable(name: Version | "extra"): Row[] {
  const text = readFileSync(new URL(`../grpc/tables/${name}.tsv`, import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [kind = "", owner = "", number = "", name = "", type = "", note = ""] = line.split("\t");
      return { kind, owner, number, name, type, note };
    });
}

/** A status other than OK rejects with the ServiceError of grpc-js. A call's signal cancels it. */
export function tableClient(version: Version, address: string) {
  const rows = readTables(version);
  const codec = tableCodec(version, rows);
  // A server that was killed is there again soon; by default a client that missed it waits for minutes.
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 200,
  });

  /** A method's path, and its messages to bytes and back. */
  const wire = (service: Service, method: string, streams: boolean) => {
    const rpc = rows.find((row) => row.kind === "rpc" && row.owner === service && row.name === method);
    if (rpc === undefined) throw new Error(`${version} has no ${service}.${method}`);
    if (rpc.note.startsWith("stream ") !== streams) {
      throw new Error(`${service}.${method} streams, or the caller thinks so`);
    }
    return {
      path: `/runtime.${version}.${service}/${method}`,
      encode: (value: object) => codec.encode(rpc.type, value),
      decode: (bytes: Buffer) => codec.decode(rpc.note.replace("stream ", ""), bytes),
    };
  };

  const call = async (
    service: Service,
    method: string,
    request: object,
    signal?: AbortSignal,
  ): Promise<object> => {
    const { path, encode, decode } = wire(service, method, false);
    return new Promise((resolve, reject) => {
      const pending = client.makeUnaryRequest(path, encode, decode, request, (error, reply) => {
        if (error) reject(error);
        else resolve(reply ?? {});
      });
      signal?.addEventListener("abort", () => pending.cancel(), { once: true });
    });
  };

  /** One message after the other; who stops reading cancels the call. */
  const stream = (service: Service, method: string, request: object): ClientReadableStream<object> => {
    const { path, encode, decode } = wire(service, method, true);
    return client.makeServerStreamRequest(path, encode, decode, request);
  };
  return { call, stream, close: () => client.close() };
}

/** Bytes of a message and back. Encoding is strict: a name that is in no table throws. */
export function tableCodec(version: Version, rows: readonly Row[] = readTables(version)) {
  const root = toRoot(version, rows);
  const lookup = (name: string) => root.lookupType(`runtime.${version}.${name}`);
  return {
    encode(name: string, value: object): Buffer {
      const type = lookup(name);
      checkNames(type, value, name);
      return Buffer.from(type.encode(type.fromObject(value)).finish());
    },
    decode(name: string, bytes: Uint8Array): object {
      const type = lookup(name);
      return type.toObject(type.decode(bytes), { longs: String, enums: String, defaults: true });
    },
  };
}

function toRoot(version: Version, rows: readonly Row[]): protobuf.Root {
  const root = new protobuf.Root();
  const top = root.define(`runtime.${version}`);
  const messages = new Map<string, protobuf.Type>();
  const enums = new Map<string, protobuf.Enum>();

  for (const { kind, owner } of rows) {
    // Not `new Type`, which is proto2: repeated numbers would not be packed. What comes from JSON is proto3.
    if (kind === "message") messages.set(owner, protobuf.Type.fromJSON(owner, { fields: {} }));
  }
  for (const { kind, owner, name, number } of rows) {
    if (kind !== "value") continue;
    const simpleName = owner.slice(owner.indexOf(".") + 1);
    if (!enums.has(owner)) enums.set(owner, new protobuf.Enum(simpleName));
    enums.get(owner)?.add(name, Number(number));
  }
  for (const row of rows) if (row.kind === "field") messages.get(row.owner)?.add(toField(row));

  for (const message of messages.values()) top.add(message);
  for (const [owner, declared] of enums) (messages.get(owner.split(".")[0] ?? "") ?? top).add(declared);
  root.resolveAll();
  return root;
}

function toField({ name, number, type }: Row): protobuf.ReflectionObject {
  const map = /^map<(\w+),(\w+)>$/.exec(type);
  if (map) return new protobuf.MapField(name, Number(number), map[1] ?? "", map[2] ?? "");
  const [last = "", rule] = type.split(" ").reverse();
  return new protobuf.Field(name, Number(number), last, rule);
}

/** protobufjs drops what it does not know, and a misspelt field would make a test pass for nothing. */
function checkNames(type: protobuf.Type, value: object, path: string): void {
  for (const [name, given] of Object.entries(value)) {
    const field = type.fields[name];
    if (field === undefined) throw new Error(`${path} has no field ${name}`);
    if (field instanceof protobuf.MapField) continue;
    for (const one of Array.isArray(given) ? given : [given]) {
      const wants = field.resolvedType;
      if (wants instanceof protobuf.Type && one) checkNames(wants, one, `${path}.${name}`);
      if (wants instanceof protobuf.Enum && typeof one === "string" && !(one in wants.values)) {
        throw new Error(`${path}.${name} has no value ${one}`);
      }
    }
  }
}
