/** Registry credentials, from CRI's AuthConfig to Docker's (pure). */
import type { RegistryAuth } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { AuthConfig__Output } from "../generated/runtime/v1/AuthConfig.js";

/**
 * The credentials for a registry, or undefined when none were given. Credentials that name another server
 * than the image's are not sent: they are somebody else's.
 * @param registry the image's, "docker.io" for Docker Hub
 */
export function toRegistryAuth(auth: AuthConfig__Output | null, registry: string): RegistryAuth | undefined {
  if (!auth) return undefined;
  const server = serverHost(auth.serverAddress);
  if (server !== "" && canonical(server) !== canonical(registry)) return undefined;
  const serveraddress = auth.serverAddress || registry;
  if (auth.registryToken !== "") return { registrytoken: auth.registryToken, serveraddress };
  if (auth.identityToken !== "") return { identitytoken: auth.identityToken, serveraddress };
  if (auth.username !== "" || auth.password !== "") {
    return { username: auth.username, password: auth.password, serveraddress };
  }
  return auth.auth === "" ? undefined : { ...decodeBasic(auth.auth), serveraddress };
}

/** "user:password" in base64; some writers pad the password with NULs. */
function decodeBasic(text: string): { username: string; password: string } {
  const decoded = Buffer.from(text, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) throw new CriError("invalid", "auth.auth is not base64 of user:password");
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, "") };
}

/** "https://index.docker.io/v1/" -> "index.docker.io" */
const serverHost = (address: string): string => address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");

/** Docker Hub's names. */
const canonical = (host: string): string =>
  host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
