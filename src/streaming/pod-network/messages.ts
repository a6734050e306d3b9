/** What the server and the helper in a pod's network say to each other (types only). */

export type HelperRequest = { kind: "dial"; id: number; port: number } | { kind: "cancel"; id: number };

/** The answer to a dial: with the connected socket beside it, or with an errno name in its place. */
export interface HelperReply {
  id: number;
  code?: string;
}
