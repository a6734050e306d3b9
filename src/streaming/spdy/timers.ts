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

/** setTimeout fires at once beyond this. */
const longest = 2 ** 31 - 1;

/**
 * What a session does because time passes. Activity only takes a note, since there is some with every frame;
 * a timer that finds activity since it was set is set again.
 */
export class Timers {
  private lastActive = performance.now();
  private lastSent = 0;
  private idle: NodeJS.Timeout | undefined;
  private other: NodeJS.Timeout | undefined;
  private probes: NodeJS.Timeout | undefined;
  private probeId = 0;

  constructor(
    private readonly timeouts: Timeouts,
    private readonly events: TimerEvents,
  ) {
    const { idleTimeout } = timeouts;
    if (idleTimeout) this.watchIdle(idleTimeout);
  }

  /** A frame was read or written. */
  active(): void {
    this.lastActive = performance.now();
  }

  /** Data was written: not idle, and an end of the session that waits for the client makes progress. */
  sent(): void {
    this.active();
    this.lastSent = this.lastActive;
  }

  startLinger(): void {
    this.lastSent = performance.now();
    this.watchLinger(this.timeouts.lingerTimeout ?? 15 * 60_000);
  }

  /** Only the connection has to close now. */
  startClose(): void {
    this.stop();
    this.other = setTimeout(() => this.events.stuck(), this.timeouts.closeTimeout ?? 5_000);
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
    clearTimeout(this.idle);
    clearTimeout(this.other);
    clearInterval(this.probes);
  }

  private watchIdle(timeout: number): void {
    const left = this.lastActive + timeout - performance.now();
    if (left <= 0) this.events.idle();
    else this.idle = setTimeout(() => this.watchIdle(timeout), Math.min(Math.ceil(left), longest));
  }

  private watchLinger(timeout: number): void {
    const left = this.lastSent + timeout - performance.now();
    if (left <= 0) this.events.lingered();
    else this.other = setTimeout(() => this.watchLinger(timeout), Math.min(Math.ceil(left), longest));
  }
}
