/**
 * As whom a container's process runs (pure): from what the client asks, the image's User, and the image's own
 * /etc/passwd and /etc/group. Names and missing groups are found as the Docker Engine finds them (moby's
 * user.GetExecUser); the supplementary groups are those of CRI's policy (KEP-3619), because Docker forgets the
 * image's memberships as soon as a group is given.
 */
import { CriError } from "../errors.js";
import type { Int64Value__Output } from "../generated/runtime/v1/Int64Value.js";
import type { SupplementalGroupsPolicy__Output } from "../generated/runtime/v1/SupplementalGroupsPolicy.js";

/** The highest id that Docker takes, and Kubernetes as well. */
const highestId = 2 ** 31 - 1;

/** What a security context says of users and groups. */
export interface IdentityRequest {
  /** A number, a name, or empty for the image's. */
  user: string;
  group: number | undefined;
  supplementalGroups: number[];
  /** Merge adds the groups that the image's /etc/group has the user in. */
  policy: "Merge" | "Strict";
}

/** An image's texts of these names, empty where it has none. */
export interface AccountFiles {
  passwd: string;
  group: string;
}

export const noAccounts: AccountFiles = { passwd: "", group: "" };

export interface Identity {
  uid: number;
  gid: number;
  /** Beside the primary one. */
  groups: number[];
}

interface SecurityContext {
  runAsUser: Int64Value__Output | null;
  runAsGroup: Int64Value__Output | null;
  runAsUsername?: string;
  supplementalGroups: string[];
  supplementalGroupsPolicy: SupplementalGroupsPolicy__Output;
}

/** @param field the context's place in the request, for errors */
export function parseIdentity(context: SecurityContext | null, field: string): IdentityRequest {
  if (!context) return { user: "", group: undefined, supplementalGroups: [], policy: "Merge" };
  const { runAsUser, runAsGroup, runAsUsername = "", supplementalGroupsPolicy: policy } = context;
  if (typeof policy !== "string") {
    throw new CriError("invalid", `${field}.supplemental_groups_policy ${String(policy)} is unknown`);
  }
  if (runAsUser && runAsUsername !== "") {
    throw new CriError("invalid", `${field}.run_as_user and run_as_username are set, and only one may be`);
  }
  if (runAsGroup && !runAsUser && runAsUsername === "") {
    throw new CriError("invalid", `${field}.run_as_group is set without run_as_user or run_as_username`);
  }
  return {
    user: runAsUser ? String(parseId(runAsUser.value, `${field}.run_as_user`)) : runAsUsername,
    group: runAsGroup ? parseId(runAsGroup.value, `${field}.run_as_group`) : undefined,
    supplementalGroups: context.supplementalGroups.map((id, index) =>
      parseId(id, `${field}.supplemental_groups[${index}]`),
    ),
    policy,
  };
}

/** Whether all is left to the image, and to Docker, which then merges by itself. */
export const asksForNothing = ({ user, supplementalGroups, policy }: IdentityRequest): boolean =>
  user === "" && supplementalGroups.length === 0 && policy === "Merge";

/** Whether the answer depends on the image's files. */
export function needsAccounts(asked: IdentityRequest, imageUser: string): boolean {
  const { user, group } = wanted(asked, imageUser);
  return asked.policy === "Merge" || !isNumber(user) || !isNumber(group);
}

/**
 * @param image its User ("", a name or a number, with or without ":group") and its name for errors
 * @throws CriError invalid for a name that the client gave and the image does not know, failedPrecondition for one
 * that the image gave
 */
export function resolveIdentity(
  asked: IdentityRequest,
  image: { name: string; user: string },
  files: AccountFiles,
): Identity {
  const { user, group } = wanted(asked, image.user);
  const users = parsePasswd(files.passwd);
  const groups = parseGroup(files.group);
  const unknown = (what: string, name: string, file: string): CriError =>
    asked.user !== ""
      ? new CriError("invalid", `run_as_username ${JSON.stringify(name)}: ${noMatch(file)} of ${image.name}`)
      : new CriError(
          "failedPrecondition",
          `image ${image.name} runs as ${what} ${JSON.stringify(name)}: ${noMatch(file)}`,
        );

  // Without a user it is root; digits are a uid, also where somebody has them as a name.
  const number = user === "" ? 0 : isNumber(user) ? inRange(user, `image ${image.name}: user`) : undefined;
  const account = users.find(({ name, uid }) => (number === undefined ? name === user : uid === number));
  const uid = account?.uid ?? number;
  if (uid === undefined) throw unknown("user", user, "passwd");

  const named = isNumber(group) ? undefined : groups.find(({ name }) => name === group)?.gid;
  if (group !== "" && !isNumber(group) && named === undefined) {
    throw unknown("group", group, "group");
  }
  const gid = isNumber(group) ? inRange(group, `image ${image.name}: group`) : (named ?? account?.gid ?? 0);

  const memberships =
    asked.policy === "Merge" && account
      ? groups.filter(({ members }) => members.includes(account.name)).map((found) => found.gid)
      : [];
  const others = new Set([...memberships, ...asked.supplementalGroups]);
  others.delete(gid);
  return { uid, gid, groups: [...others] };
}

/** In Docker's words. */
const noMatch = (file: string): string => `no matching entries in the ${file} file`;

/** In the forms of passwd(5); lines without a name or with ids that are none are left out. */
export const parsePasswd = (text: string): { name: string; uid: number; gid: number }[] =>
  linesOf(text).flatMap(([name = "", , uid = "", gid = ""]) =>
    name !== "" && isNumber(uid) && isNumber(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [],
  );

/** In the forms of group(5). */
export const parseGroup = (text: string): { name: string; gid: number; members: string[] }[] =>
  linesOf(text).flatMap(([name = "", , gid = "", members = ""]) =>
    name !== "" && isNumber(gid) ? [{ name, gid: Number(gid), members: members.split(",") }] : [],
  );

const linesOf = (text: string): string[][] => text.split("\n").map((line) => line.trim().split(":"));

/** The user and the group as texts, the group empty for the user's own. */
function wanted(asked: IdentityRequest, imageUser: string): { user: string; group: string } {
  if (asked.user !== "")
    return { user: asked.user, group: asked.group === undefined ? "" : `${asked.group}` };
  const [user = "", group = ""] = imageUser.split(":");
  return { user, group };
}

const isNumber = (text: string): boolean => /^\d+$/.test(text);

function parseId(text: string, field: string): number {
  if (text.startsWith("-")) throw new CriError("invalid", `${field} is negative: ${text}`);
  if (Number(text) > highestId) {
    throw new CriError("invalid", `${field} ${text} is more than ${highestId}, the highest id that there is`);
  }
  return Number(text);
}

/** For a number of the image's; the client's have been checked when they came. */
function inRange(text: string, what: string): number {
  if (Number(text) <= highestId) return Number(text);
  throw new CriError("failedPrecondition", `${what} ${text} is more than ${highestId}`);
}
