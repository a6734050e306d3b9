/** The interface files as grpc-js wants them; the one place that knows the loader's options. */
import { fileURLToPath } from "node:url";
import { loadSync, type Options, type PackageDefinition, type ServiceDefinition } from "@grpc/proto-loader";
import { joining } from "./encode.js";

/** Kept equal to scripts/generate-types, which makes the types of what these options produce. */
const options: Options = {
  longs: String,
  enums: String,
  bytes: Buffer,
  // An unset message is null, an unset scalar its zero, an unset list [].
  defaults: true,
  includeDirs: [fileURLToPath(new URL("../../proto", import.meta.url))],
};

export type ApiVersion = "v1" | "v1alpha2";
export const apiVersions: ApiVersion[] = ["v1", "v1alpha2"];
export const serviceNames = ["RuntimeService", "ImageService"] as const;
export type ServiceName = (typeof serviceNames)[number];

const files = apiVersions.map((version) => `runtime/${version}/api.proto`);

export const loadProto = (): PackageDefinition => loadSync(files, options);

/** The names as the files have them: the loader makes the descriptors of whatever it renamed. */
export const loadProtoForReflection = (): PackageDefinition =>
  loadSync(files, { ...options, keepCase: true });

/**
 * A service of one version, spoken with v1's messages: v1alpha2's are v1's older selves, field for field and
 * number for number (a test holds them to it), so one codec and one set of handlers serve both.
 */
export function serviceDefinition(
  proto: PackageDefinition,
  version: ApiVersion,
  name: ServiceName,
): ServiceDefinition {
  const own = proto[`runtime.${version}.${name}`] as ServiceDefinition;
  const newest = proto[`runtime.v1.${name}`] as ServiceDefinition;
  return Object.fromEntries(
    Object.entries(own).map(([method, { path }]) => {
      const definition = newest[method];
      if (!definition) throw new Error(`${version} has an RPC that v1 has not: ${method}`);
      return [method, { ...definition, path, responseSerialize: joining(definition.responseSerialize) }];
    }),
  );
}
