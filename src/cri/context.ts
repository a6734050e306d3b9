import type { MethodDefinition } from "@grpc/proto-loader";

/** What a handler knows of its call beside the request. */
export interface CallContext {
  /** Fires when the client cancels or its deadline passes, and ends a stream when the server stops; with a CriError. */
  signal: AbortSignal;
  /** Which of the two services was called. */
  apiVersion: "v1" | "v1alpha2";
}

/**
 * A service's RPCs as plain async functions, those that stream as functions that give one message after the other; all
 * but those named by `Later` must be there. A stream's consumer asks for a message when the client has room for it.
 */
export type Service<Definition, Streaming extends keyof Definition, Later extends keyof Definition> = {
  [Method in Exclude<Named<Definition>, Later | Streaming>]: (
    request: RequestOf<Definition[Method]>,
    context: CallContext,
  ) => Promise<ResponseOf<Definition[Method]>>;
} & {
  [Method in Exclude<Streaming, Later>]: (
    request: RequestOf<Definition[Method]>,
    context: CallContext,
  ) => AsyncIterable<ResponseOf<Definition[Method]>>;
};

/** The RPCs themselves, without the index signature that the generated definitions inherit. */
type Named<Definition> = keyof {
  [Key in keyof Definition as string extends Key ? never : number extends Key ? never : Key]: unknown;
};
type RequestOf<M> =
  M extends MethodDefinition<infer _In, infer _Out, infer Request, infer _Reply> ? Request : never;
type ResponseOf<M> =
  M extends MethodDefinition<infer _In, infer Response, infer _Request, infer _Reply> ? Response : never;
