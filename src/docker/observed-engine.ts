/** The Engine port, told of call by call. */
import { observed, type Observer } from "../observer.js";
import type { Engine } from "./engine.js";

export interface DockerCall {
  /** The port's method in the words of the predecessors' metrics: "inspect_container". One of few, never with an id. */
  operation: string;
  /** Of a container or a sandbox, when the call is about one. */
  containerId?: string;
}

/**
 * A call ends with its answer: a stop with the container's end, a pull with its last layer; but events, execs and
 * attaches when their stream is open.
 */
export const observedEngine = (engine: Engine, observer: Observer<DockerCall>): Engine =>
  new Proxy(engine, {
    get: (target, name: keyof Engine) => {
      const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        const about = { operation: toSnake(name), ...subjectOf(name, args) };
        const call = () => Reflect.apply(method, target, args);
        return name === "pullImage"
          ? observedStream(observer, about, call as () => ReturnType<Engine["pullImage"]>)
          : observed(observer, about, call as () => Promise<unknown>);
      };
    },
  });

async function* observedStream<T>(
  observer: Observer<DockerCall>,
  about: DockerCall,
  open: () => AsyncIterable<T>,
): AsyncGenerator<T> {
  const work = observer.started(about);
  let failure: unknown;
  try {
    yield* work.within(open);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    work.ended(failure);
  }
}

const toSnake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What these are about comes first; connecting to a network and disconnecting name the network before it. */
const aboutContainer =
  /^(inspect|start|update|stop|remove|pause|unpause|attach|resize)Container$|^(readPath|createExec)$/;

function subjectOf(name: string, [first, second]: unknown[]): { containerId?: string } {
  const id = aboutContainer.test(name) ? first : /^(dis)?connectNetwork$/.test(name) ? second : undefined;
  return typeof id === "string" ? { containerId: id } : {};
}
