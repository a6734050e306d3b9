import { Inactivity } from "../inactivity.js";

/** The times of a session, all in milliseconds. */
export interface Timeouts {
  /** Without any frame read or written until the session is ended; 0, the default, is never. */
  idleTimeout?: number;
  /** That `finish` waits for the client to leave, counted while no more data goes out; 15 minutes. */
  lingerTimeout?: number;
  /** That the connection gets to close after GOAWAY before it is destroyed; 5 seconds. */
  closeTimeout?: number;
  /** Between looks whether the client still lives, while a slow reader keeps us from hearing it; 15 seconds. */
  probeInterval?: number;
}

export interface TimerEvents {
  idle(): void;
  lingered(): void;
  stuck(): void;
  /** @param id for a PING of the server's: even, and another one each time */
  probe(id: number): void;
}

/** What a session does because time passes. */
export class Timers {
  private readonly idle: Inactivity;
  private linger: Inactivity | undefined;
  private closing: NodeJS.Timeout | undefined;
  private probes: NodeJS.Timeout | undefined;
  private probeId = 0;

  constructor(
    private readonly timeouts: Timeouts,
    private readonly events: TimerEvents,
  ) {
    this.idle = new Inactivity(timeouts.idleTimeout ?? 0, () => this.events.idle());
  }

  /** A frame was read or written. */
  active(): void {
    this.idle.noteActivity();
  }

  /** Data was written: not idle, and an end of the session that waits for the client makes progress. */
  sent(): void {
    this.active();
    this.linger?.noteActivity();
  }

  startLinger(): void {
    this.linger = new Inactivity(this.timeouts.lingerTimeout ?? 15 * 60_000, () => this.events.lingered());
  }

  /** Only the connection has to close now. */
  startClose(): void {
    this.stop();
    this.closing = setTimeout(() => this.events.stuck(), this.timeouts.closeTimeout ?? 5_000);
  }

  startProbes(): void {
    this.probes = setInterval(() => {
      this.probeId = (this.probeId % 0x7ffffffe) + 2;
      this.events.probe(this.probeId);
    }, this.timeouts.probeInterval ?? 15_000);
  }

  stopProbes(): void {
    clearInterval(this.probes);
  }

  stop(): void {
    this.idle.stop();
    this.linger?.stop();
    clearTimeout(this.closing);
    clearInterval(this.probes);
  }
}
