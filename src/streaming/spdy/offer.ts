import { rst, type RstStatus } from "./frames.js";
import type { Headers } from "./headers.js";
import type { SpdyStream } from "./stream.js";

/** A stream that the client wants to open. It must be answered before `onStream` returns. */
export interface StreamOffer {
  readonly id: number;
  readonly headers: Headers;
  /** The first value of a header, whatever the case of `name`. */
  header(name: string): string | undefined;
  /** Sends SYN_REPLY. */
  accept(): SpdyStream;
  /** Sends RST_STREAM instead: CANCEL unless told, as Go's Reset does. */
  refuse(status?: RstStatus): void;
}

/**
 * Has a stream decided on: `accept` and `refuse` send the answers, of which exactly one is given. There is no
 * such thing as a stream that waits for its answer, because a client waits for it before it opens the next
 * (client-go, for 30 s): to answer only when all streams are there would be a deadlock.
 */
export function decide(
  id: number,
  headers: Headers,
  onStream: (offer: StreamOffer) => void,
  answers: { accept: () => SpdyStream; refuse: (status: RstStatus) => void },
): SpdyStream | undefined {
  let stream: SpdyStream | undefined;
  let refused = false;
  const refuse = (status: RstStatus = rst.cancel): void => {
    if (stream || refused) return;
    refused = true;
    answers.refuse(status);
  };
  onStream({
    id,
    headers,
    header: (name) => headers.get(name.toLowerCase())?.[0],
    accept: () => {
      if (refused) throw new Error(`stream ${id} was refused, or not accepted in time`);
      return (stream ??= answers.accept());
    },
    refuse,
  });
  refuse(rst.refusedStream);
  return stream;
}
