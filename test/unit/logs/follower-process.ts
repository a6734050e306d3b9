/** A process that follows one log until it is killed, and tells of each step; for follower-sigkill.test.ts. */
import { Follower, makeTurnBuffers } from "../../../src/logs/follower.js";

const [source, path, positionFile] = process.argv.slice(2) as [string, string, string];
const report = (what: string, detail: string) => process.send!(`${what}: ${detail}`);
const follower = new Follower({ source, path, positionFile }, makeTurnBuffers(), report);
follower.start();

process.on("message", (message) => {
  if (message === "reopen") follower.reopen();
  else follower.finish();
  process.send!(message);
});
process.on("disconnect", () => process.exit());

function turn(): void {
  const outcome = follower.step();
  if (follower.done) process.send!("done");
  else if (outcome === "more") process.send!("more");
  setImmediate(turn);
}
turn();
