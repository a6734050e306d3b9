import type { MethodDefinition } from "@grpc/proto-loader";

/** What a handler knows of its call beside the request. */
export interface CallContext {
  /** Fires when the client cancels or its deadline passes. */
  signal: AbortSignal;
  /** Which of the two services was called. */
  apiVersion: "v1" | "v1alpha2";
}

/** A service's RPCs as plain async functions; all but those named by `Later` must be there. */
export type Service<Definition, Later extends keyof Definition> = {
  [Method in Exclude<Named<Definition>, Later>]: (
    request: RequestOf<Definition[Method]>,
    context: CallContext,
  ) => Promise<ResponseOf<Definition[Method]>>;
};

/** The RPCs themselves, without the index signature that the generated definitions inherit. */
type Named<Definition> = keyof {
  [Key in keyof Definition as string extends Key ? never : number extends Key ? never : Key]: unknown;
};
type RequestOf<M> =
  M extends MethodDefinition<infer _In, infer _Out, infer Request, infer _Reply> ? Request : never;
type ResponseOf<M> =
  M extends MethodDefinition<infer _In, infer Response, infer _Request, infer _Reply> ? Response : never;
