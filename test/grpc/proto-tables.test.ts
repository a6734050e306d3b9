/** Holds proto/ to the tables: every fact of the interface, in both directions. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { readTables, type Row, type Version } from "../support/table-client.js";

const versions = ["v1", "v1alpha2"] as const;

const protoPath = (version: Version) =>
  fileURLToPath(new URL(`../../proto/runtime/${version}/api.proto`, import.meta.url));

const loadProto = (version: Version) => new protobuf.Root().loadSync(protoPath(version), { keepCase: true });

/** The rows that a table of this .proto would have. */
function toRows(root: protobuf.Root, version: Version): Row[] {
  const found = root.lookup(`runtime.${version}`);
  assert.ok(found instanceof protobuf.Namespace, `package runtime.${version}`);
  return namespaceRows(found, "");
}

function namespaceRows(namespace: protobuf.Namespace, scope: string): Row[] {
  return namespace.nestedArray.flatMap((object) => {
    const owner = scope + object.name;
    if (object instanceof protobuf.Service) return object.methodsArray.map((rpc) => rpcRow(owner, rpc));
    if (object instanceof protobuf.Enum) return enumRows(owner, object);
    if (object instanceof protobuf.Type) {
      const message = row("message", owner, "", "", "", optionsText(object.options));
      return [
        message,
        ...object.fieldsArray.map((f) => fieldRow(owner, f)),
        ...namespaceRows(object, `${owner}.`),
      ];
    }
    return [row("unexpected", owner, "", "", object.constructor.name, "")];
  });
}

const row = (kind: string, owner: string, number: string, name: string, type: string, note: string): Row => ({
  kind,
  owner,
  number,
  name,
  type,
  note,
});

const rpcRow = (owner: string, rpc: protobuf.Method): Row =>
  row(
    "rpc",
    owner,
    "",
    rpc.name,
    (rpc.requestStream ? "stream " : "") + rpc.requestType,
    join((rpc.responseStream ? "stream " : "") + rpc.responseType, optionsText(rpc.options)),
  );

const enumRows = (owner: string, declared: protobuf.Enum): Row[] =>
  Object.entries(declared.values).map(([name, number]) =>
    row("value", owner, String(number), name, "", optionsText(declared.valuesOptions?.[name])),
  );

function fieldRow(owner: string, field: protobuf.FieldBase): Row {
  const type =
    field instanceof protobuf.MapField
      ? `map<${field.keyType},${field.type}>`
      : (field.repeated ? "repeated " : "") + field.type;
  const oneof = field.partOf === null ? "" : `oneof ${field.partOf.name}`;
  return row("field", owner, String(field.id), field.name, type, join(oneof, optionsText(field.options)));
}

const optionsText = (options: Record<string, unknown> | undefined): string =>
  Object.entries(options ?? {})
    .map(([name, value]) => `${name} = ${String(value)}`)
    .join("; ");

const join = (...notes: string[]): string => notes.filter((note) => note !== "").join("; ");

const toText = ({ kind, owner, number, name, type, note }: Row): string =>
  [kind, owner, number, name, type, note].filter((column) => column !== "").join(" ");

/** What one side has and the other has not, each as a sentence. */
function differences(table: readonly Row[], proto: readonly Row[]): string[] {
  const [wanted, found] = [table.map(toText), proto.map(toText)];
  return [
    ...without(wanted, found).map((text) => `in the table, not in the .proto: ${text}`),
    ...without(found, wanted).map((text) => `in the .proto, not in the table: ${text}`),
  ];
}

/** The elements of a list that are not in the other; one that is there twice needs two of it. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const left = [...other];
  return list.filter((text) => {
    const at = left.indexOf(text);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

for (const version of versions) {
  test(`proto of ${version} says what its table and the additions say, and nothing else`, () => {
    const table = readTables(version);
    assert.ok(table.length > 500, "the table is there");
    assert.deepEqual(differences(table, toRows(loadProto(version), version)), []);
  });

  test(`proto of ${version} is one package, and every type it names is its own`, () => {
    const root = loadProto(version).resolveAll();
    assert.deepEqual(Object.keys(root.nested ?? {}), ["runtime"]);
    const packages = root.lookup("runtime");
    assert.ok(packages instanceof protobuf.Namespace);
    assert.deepEqual(
      packages.nestedArray.map(({ name }) => name),
      [version],
    );
    for (const { owner, name, type } of readTables(version).filter(({ kind }) => kind === "field")) {
      const field = root.lookupType(`runtime.${version}.${owner}`).fields[name];
      if (field?.resolvedType)
        assert.ok(field.resolvedType.fullName.startsWith(`.runtime.${version}.`), type);
    }
  });
}

test("a nested enum belongs to its message", () => {
  const field = loadProto("v1").resolveAll().lookupType("runtime.v1.SecurityProfile").fields.profile_type;
  assert.equal(field?.resolvedType?.fullName, ".runtime.v1.SecurityProfile.ProfileType");
});

/** One edit of the .proto of v1 each, and the rows by which it must be noticed. */
const mistakes: { title: string; find: string; put: string; missing: string[]; added: string[] }[] = [
  {
    title: "another type",
    find: "uint32 attempt = 4;",
    put: "int32 attempt = 4;",
    missing: ["field PodSandboxMetadata 4 attempt uint32"],
    added: ["field PodSandboxMetadata 4 attempt int32"],
  },
  {
    title: "another number",
    find: "string user_specified_image = 18;",
    put: "string user_specified_image = 21;",
    missing: ["field ImageSpec 18 user_specified_image string"],
    added: ["field ImageSpec 21 user_specified_image string"],
  },
  {
    title: "a list that became one",
    find: "repeated KeyValue envs = 6;",
    put: "KeyValue envs = 6;",
    missing: ["field ContainerConfig 6 envs repeated KeyValue"],
    added: ["field ContainerConfig 6 envs KeyValue"],
  },
  {
    title: "another map",
    find: "map<string, string> sysctls = 3;",
    put: "map<string, bytes> sysctls = 3;",
    missing: ["field LinuxPodSandboxConfig 3 sysctls map<string,string>"],
    added: ["field LinuxPodSandboxConfig 3 sysctls map<string,bytes>"],
  },
  {
    title: "a field in a oneof",
    find: "ContainerState state = 1;",
    put: "oneof kind { ContainerState state = 1; }",
    missing: ["field ContainerStateValue 1 state ContainerState"],
    added: ["field ContainerStateValue 1 state ContainerState oneof kind"],
  },
  {
    title: "a field that knows whether it was set",
    find: "string mountpoint = 1;",
    put: "optional string mountpoint = 1;",
    missing: ["field FilesystemIdentifier 1 mountpoint string"],
    added: ["field FilesystemIdentifier 1 mountpoint string oneof _mountpoint; proto3_optional = true"],
  },
  {
    title: "a secret without its mark",
    find: "string password = 2 [debug_redact = true];",
    put: "string password = 2;",
    missing: ["field AuthConfig 2 password string debug_redact = true"],
    added: ["field AuthConfig 2 password string"],
  },
  {
    title: "a lost field",
    find: "bool stdin_once = 13;",
    put: "",
    missing: ["field ContainerConfig 13 stdin_once bool"],
    added: [],
  },
  {
    title: "an invented message",
    find: "package runtime.v1;",
    put: "package runtime.v1; message Invented { message Inner { int32 a = 1; } }",
    missing: [],
    added: ["message Invented", "message Invented.Inner", "field Invented.Inner 1 a int32"],
  },
  {
    title: "swapped enum values",
    find: "CONTAINER_EXITED = 2;",
    put: "CONTAINER_EXITED = 4;",
    missing: ["value ContainerState 2 CONTAINER_EXITED"],
    added: ["value ContainerState 4 CONTAINER_EXITED"],
  },
  {
    title: "a method that no longer streams",
    find: "returns (stream ContainerEventResponse)",
    put: "returns (ContainerEventResponse)",
    missing: ["rpc RuntimeService GetContainerEvents GetEventsRequest stream ContainerEventResponse"],
    added: ["rpc RuntimeService GetContainerEvents GetEventsRequest ContainerEventResponse"],
  },
  {
    title: "a method that takes a stream",
    find: "rpc PullImage(PullImageRequest)",
    put: "rpc PullImage(stream PullImageRequest)",
    missing: ["rpc ImageService PullImage PullImageRequest PullImageResponse"],
    added: ["rpc ImageService PullImage stream PullImageRequest PullImageResponse"],
  },
  {
    title: "a lost addition",
    find: "rpc PauseContainer(PauseContainerRequest) returns (PauseContainerResponse);",
    put: "",
    missing: ["rpc RuntimeService PauseContainer PauseContainerRequest PauseContainerResponse"],
    added: [],
  },
];
const source = readFileSync(protoPath("v1"), "utf8");
for (const { title, find, put, missing, added } of mistakes) {
  test(`the comparison names ${title}`, () => {
    assert.equal(source.split(find).length, 2, `"${find}" is in the .proto once`);
    const { root } = protobuf.parse(source.replace(find, put), new protobuf.Root(), { keepCase: true });
    assert.deepEqual(differences(readTables("v1"), toRows(root, "v1")), [
      ...missing.map((text) => `in the table, not in the .proto: ${text}`),
      ...added.map((text) => `in the .proto, not in the table: ${text}`),
    ]);
  });
}

/** Types that differ between the versions and are the same bytes on the wire. The list is complete. */
const otherTypeInV1 = ["KeyValue.value: string in v1alpha2, bytes in v1"];

test("v1alpha2 is a wire-compatible subset of v1", () => {
  const key = ({ kind, owner, name }: Row) => `${kind} ${owner} ${name}`;
  const current = new Map(toRows(loadProto("v1"), "v1").map((r) => [key(r), r]));
  const [otherTypes, broken]: [string[], string[]] = [[], []];

  for (const old of toRows(loadProto("v1alpha2"), "v1alpha2")) {
    const now = current.get(key(old));
    // A field's note is options, which the wire does not have; of an rpc it is the response.
    if (now === undefined || now.number !== old.number || (old.kind === "rpc" && now.note !== old.note)) {
      broken.push(`${toText(old)}, in v1: ${now ? toText(now) : "nothing"}`);
    } else if (now.type !== old.type) {
      otherTypes.push(`${old.owner}.${old.name}: ${old.type} in v1alpha2, ${now.type} in v1`);
    }
  }
  assert.deepEqual(broken, []);
  assert.deepEqual(otherTypes, otherTypeInV1);
});
